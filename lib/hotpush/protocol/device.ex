defmodule Hotpush.Protocol.Device do
  @moduledoc "A device's description of itself. Pure."

  alias Hotpush.Protocol.{Answer, LastPush, Parts, SafeTerm}

  defmodule Module do
    @moduledoc """
    One module on the device. Digests are prefixes, or `""` if there is none.

    `:removed?` says that an earlier push put an empty module in its place.
    """
    defstruct [:name, :app, md5: "", stamp: "", line: "", loaded?: false, removed?: false]

    @type t :: %__MODULE__{
            name: String.t(),
            app: String.t(),
            md5: binary(),
            stamp: binary(),
            line: binary(),
            loaded?: boolean(),
            removed?: boolean()
          }
  end

  defstruct [:otp, :erts, :elixir, :arch, :mode, :boot, :target, :firmware, :platform] ++
              [apps: %{}, modules: %{}, files: %{}, parts: %{}, others: []] ++
              [impls: [], nifs: [], old: [], last_push: nil, fingerprint: ""]

  @typedoc """
    * `:otp`, `:erts`, `:elixir`, `:arch`, `:target`, `:firmware`, `:platform` - strings; the last
      four and `:elixir` are `nil` if the device cannot say. `:target` is what its code was compiled
      for, `:platform` what its firmware's metadata say
    * `:mode` - `:interactive` or `:embedded`
    * `:apps` - name => `%{vsn, running?, known?}`
    * `:others` - other applications, running or in its firmware
    * `:files`, `:parts` - its files and the parts of its description, for `Hotpush.Protocol.Memory`
    * `:impls` - consolidated protocols that it runs, with the types that they dispatch
    * `:nifs` - modules with native code
    * `:old` - `{pid, who, module}` of processes that run old code
    * `:last_push` - who pushed last, if a push noted it
    * `:fingerprint` - a digest of what it runs of the applications in question, and of what came with
      pushes
  """
  @type t :: %__MODULE__{}

  @typedoc "Files by application and fingerprint, and parts: see `Hotpush.Protocol.Memory`."
  @type remembered :: %{
          :files => %{{String.t(), binary()} => list()},
          :parts => Parts.t(),
          optional(atom()) => term()
        }

  @doc """
  Reads the answer to `Hotpush.Protocol.Question.ask/6`. `remembered` has what the device left out
  because the host knows it.
  """
  @spec decode(term(), remembered()) :: {:ok, t()} | {:error, String.t()}
  def decode(binary, remembered) do
    with true <- is_binary(binary),
         {:ok, answer} <- SafeTerm.decode(binary),
         true <- Answer.ask?(answer),
         {:ok, answer, parts} <- Parts.read(answer, remembered.parts),
         true <- Answer.bounded?(answer),
         {:ok, files} <- files(answer.files, remembered.files),
         true <- paired?(answer.pushed ++ Enum.map(answer.apps, &elem(&1, 4)), answer.cut) do
      {:ok, %{build(answer, files) | parts: parts}}
    else
      {:error, :too_large} -> {:error, "it is too large"}
      {:error, :not_remembered} -> {:error, "it refers to files that are not remembered here"}
      _ -> {:error, "it is not a description of a device"}
    end
  end

  defp files(answered, remembered) do
    files = Map.new(answered, &files_of(&1, remembered))
    if Enum.all?(files, &elem(&1, 1)), do: {:ok, files}, else: {:error, :not_remembered}
  end

  defp files_of({app, fingerprint, :known}, remembered) do
    case remembered do
      %{{^app, ^fingerprint} => list} -> {app, {fingerprint, list}}
      _ -> {app, nil}
    end
  end

  defp files_of({app, fingerprint, list}, _), do: {app, {fingerprint, list}}

  # There must be as many digests as names.
  defp paired?(shown, cut) do
    Enum.all?(shown, fn {names, md5s, _, _} -> byte_size(md5s) == cut * length(names(names)) end)
  end

  defp build(answer, files) do
    on_disk =
      for {_, {_, list}} <- files, {name, md5, line} <- list, into: %{}, do: {name, {md5, line}}

    # Modules in the device's .app files of the project come before those of Elixir or OTP.
    modules =
      Enum.flat_map(Enum.sort_by(answer.apps, &(elem(&1, 0) != "")), fn {app, _, _, _, shown} ->
        modules(shown, app, on_disk, answer)
      end) ++ Enum.flat_map(answer.pushed, &modules(&1, nil, on_disk, answer))

    %__MODULE__{
      otp: answer.otp,
      erts: answer.erts,
      elixir: maybe(answer.elixir),
      arch: answer.arch,
      mode: answer.mode,
      boot: answer.boot,
      target: maybe(answer.target),
      firmware: maybe(answer.firmware),
      platform: maybe(answer.platform),
      apps:
        for({name, vsn, running?, known?, _} <- answer.apps, name != "", into: %{}) do
          {name, %{vsn: vsn, running?: running?, known?: known?}}
        end,
      modules: Map.new(modules, &{&1.name, &1}),
      files: files,
      others: answer.others,
      impls: answer.impls,
      nifs: answer.nifs,
      old: answer.old,
      last_push: LastPush.decode(answer.last_push),
      fingerprint: answer.fingerprint
    }
  end

  defp maybe(text) when is_binary(text), do: text
  defp maybe(_none), do: nil

  defp modules({names, md5s, stamped, not_loaded}, app, on_disk, answer) do
    plain =
      for {name, md5} <- Enum.zip(names(names), cut(md5s, answer.cut)) do
        {_, line} = Map.get(on_disk, name, {"", ""})
        %Module{name: name, app: app, md5: md5, line: line, loaded?: true}
      end

    pushed =
      for {name, md5, stamp_app, stamp} <- stamped do
        module = %Module{name: name, app: stamp_app, md5: md5, loaded?: true}
        if stamp == :removed, do: %{module | removed?: true}, else: %{module | stamp: stamp}
      end

    # A module that is not loaded is known by its file, if it would be loaded on demand.
    waiting =
      for name <- names(not_loaded),
          answer.mode == :interactive,
          {md5, line} = on_disk[name] || {"", ""} do
        %Module{name: name, app: app, md5: md5, line: line}
      end

    plain ++ pushed ++ Enum.reject(waiting, &(&1.md5 == ""))
  end

  defp names(""), do: []
  defp names(joined), do: :binary.split(joined, <<0>>, [:global])

  defp cut(binary, size) do
    for at <- 0..(byte_size(binary) - size)//size, do: binary_part(binary, at, size)
  end

  @doc """
  What runs under these names, in the form of the agent's answer: `:not_loaded`, or an MD5 and a stamp
  (`:none`, `:removed` or the digest of what was pushed). Digests are prefixes.
  """
  @spec identities(t(), [String.t()]) ::
          [{String.t(), :not_loaded | {binary(), :none | :removed | binary()}}]
  def identities(device, names),
    do: for(name <- names, do: {name, identity(device.modules[name])})

  defp identity(nil), do: :not_loaded
  defp identity(%{removed?: true, md5: md5}), do: {md5, :removed}
  defp identity(%{stamp: "", md5: md5}), do: {md5, :none}
  defp identity(%{stamp: stamp, md5: md5}), do: {md5, stamp}

  @doc """
  When it started, in seconds since 1970 by its own clock; `nil` if it does not say.

      iex> Hotpush.Protocol.Device.up_since(%Hotpush.Protocol.Device{boot: {"4711", 1_700_000_000_123_456_789}})
      1_700_000_000
  """
  @spec up_since(t()) :: integer() | nil
  # In nanoseconds, the native time unit of every system that it runs on.
  def up_since(%__MODULE__{boot: {_pid, native}}) when is_integer(native),
    do: div(native, 1_000_000_000)

  def up_since(_device), do: nil

  @doc "The modules, as the argument of the scanner's `diff`."
  @spec answers(t()) :: [Hotpush.Scanner.answer()]
  def answers(device) do
    for {_, module} <- device.modules, not module.removed? do
      {module.name, module.md5, module.stamp, module.line}
    end
  end
end
