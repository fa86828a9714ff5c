defmodule Hotpush.Test.Device do
  @moduledoc """
  A real device node in its own OS process.

  It ends with the process that started it, with this VM, or when stopped. Tests
  inspect it with `call/4`, which uses a separate socket, so whatever distribution shows
  (`nodes(hidden)`, atoms, links) comes from the code under test.
  """

  alias Hotpush.Test.{Epmd, Link, Run, Until}
  alias Hotpush.Test.Device.{Launch, Server}

  @derive {Inspect, except: [:cookie, :opts]}
  defstruct [:pid, :node, :cookie, :log, :link, :os_pid, :dist_port, :opts]

  @type t :: %__MODULE__{
          pid: pid,
          node: node,
          cookie: atom,
          log: Path.t(),
          link: Link.t() | nil,
          os_pid: pos_integer,
          dist_port: :inet.port_number(),
          opts: keyword
        }

  @doc """
  Starts a device and waits until it answers. Raises with its log if it does not.

    * `release:` - path of a release; without it, a plain `erl`
    * `code_paths:` - for a plain node; in `:embedded` mode, all of their modules are loaded at the start
    * `mode:` - `:embedded` (default of a release) or `:interactive` (of `erl`)
    * `erlang_only:` - a plain node without Elixir
    * `apps:` - applications to start on a plain node
    * `link:` - round trip in ms of a link, which is then the only way to reach it
    * `names:` - `:long` (default) or `:short`
    * `distribution: false` - a VM that is not a node; it has no `dist_port` and no `link:`
    * `name:`, `cookie:` - random by default; `host:` - `127.0.0.1` by default
    * `netns:` - a `Hotpush.Test.Netns` to run in; its host name is then the node's
    * `tunnelled: true` - it listens there on loopback and registers with this host's epmd
    * `cpu:` - the share of a core that it gets once it is ready
    * `args:`, `env:` - more arguments for `erl`, more environment; `erl:` - another `erl`
  """
  @spec start(keyword) :: t
  def start(opts \\ []) do
    opts = opts |> with_defaults() |> with_node() |> with_cpu()
    if opts[:distribution], do: Epmd.ensure()

    case Server.start(opts, self()) do
      {:ok, pid} ->
        info = GenServer.call(pid, :info)

        device =
          struct!(
            __MODULE__,
            Map.merge(info, Map.new(Keyword.take(opts, [:node, :cookie, :log])))
          )

        device = %{device | pid: pid, opts: opts}
        prepare(device, opts)
        Hotpush.Test.DeviceLogs.note(device)
        device

      {:error, {:shutdown, reason}} ->
        raise "#{opts[:node]} did not start: #{inspect(reason)}\n" <> File.read!(opts[:log])
    end
  end

  defp with_defaults(opts) do
    dir = Run.dir("device")

    defaults = [
      names: :long,
      distribution: true,
      name: Run.name("device"),
      cookie: :"#{Base.encode16(:rand.bytes(8))}",
      code_paths: [],
      args: [],
      env: [],
      dir: dir,
      log: Path.join(dir, "log")
    ]

    Keyword.merge(defaults, opts)
  end

  defp with_node(opts) do
    if opts[:distribution], do: with_name(opts), else: Keyword.put(opts, :node, :nonode@nohost)
  end

  defp with_name(opts) do
    host =
      cond do
        opts[:host] -> opts[:host]
        opts[:netns] && !opts[:tunnelled] -> opts[:netns].host
        opts[:names] == :short -> "localhost"
        opts[:link] -> "127.0.0.2"
        true -> "127.0.0.1"
      end

    Keyword.merge(opts, node: :"#{opts[:name]}@#{host}", split: {to_string(opts[:name]), host})
  end

  defp with_cpu(opts) do
    if opts[:cpu], do: Keyword.update!(opts, :args, &(&1 ++ ["+S", "1:1"])), else: opts
  end

  defp prepare(device, opts) do
    plain? = is_nil(opts[:release])
    elixir = if plain? and not Keyword.get(opts, :erlang_only, false), do: [:elixir], else: []
    if plain? and opts[:mode] == :embedded, do: load_all(device, Launch.code_paths(opts))

    for app <- elixir ++ Keyword.get(opts, :apps, []) do
      {:ok, _} = call(device, :application, :ensure_all_started, [app])
    end
  end

  # As a boot script does in embedded mode. Since OTP 29, crypto needs its application first.
  defp load_all(device, paths) do
    for path <- paths, app <- Path.wildcard(Path.join(path, "*.app")) do
      app = app |> Path.basename(".app") |> String.to_atom()
      true = call(device, :application, :load, [app]) in [:ok, {:error, {:already_loaded, app}}]
    end

    for path <- paths, beam <- Path.wildcard(Path.join(path, "*.beam")) do
      {:module, _} = call(device, :code, :load_abs, [beam |> Path.rootname() |> to_charlist()])
    end
  end

  @doc "Applies a function on the device, without distribution. Raises what it raises there."
  @spec call(t, module, atom, [term], timeout) :: term
  def call(device, module, function, args, timeout \\ 30_000) do
    case GenServer.call(device.pid, {:call, {module, function, args}}, timeout) do
      {:ok, value} -> value
      {:down, reason} -> raise "#{device.node} is down (#{inspect(reason)})"
      {class, reason, stack} -> :erlang.raise(class, reason, stack)
    end
  end

  @doc "Evaluates Elixir `code` on the device and returns its value."
  @spec eval(t, String.t(), keyword) :: term
  def eval(device, code, bindings \\ []) do
    device |> call(Code, :eval_string, [code, bindings]) |> elem(0)
  end

  @doc "Starts a process on the device that evaluates Elixir `code`; returns its pid there."
  @spec spawn(t, String.t()) :: pid
  def spawn(device, code), do: call(device, :erlang, :spawn, [Code, :eval_string, [code]])

  @doc "Hotpush's modules that are loaded on the device: none, unless a push is running."
  @spec agents(t) :: [module]
  def agents(device) do
    for {module, _} <- call(device, :code, :all_loaded, []),
        String.starts_with?(to_string(module), "hotpush"),
        do: module
  end

  @doc "Whether the device's OS process runs and answers."
  @spec alive?(t) :: boolean
  def alive?(device) do
    is_atom(call(device, :erlang, :node, []))
  rescue
    RuntimeError -> false
  end

  @doc "Power loss: kills the device at once. `restart/1` brings it back."
  @spec kill(t) :: :ok
  def kill(device), do: GenServer.call(device.pid, :kill, 30_000)

  @doc "Reboot: kills the device and starts it again with the same name and port. Returns the new one."
  @spec restart(t) :: t
  def restart(device) do
    :ok = GenServer.call(device.pid, :restart, 120_000)
    device = struct!(device, GenServer.call(device.pid, :info))
    prepare(device, device.opts)
    device
  end

  @doc "Freezes the device: it keeps its connections and does not answer. See `thaw/1`."
  @spec freeze(t) :: :ok
  def freeze(device) do
    signal(device, "STOP")
    Until.until("#{device.node} to stop", fn -> stopped?(device.os_pid) end)
    :ok
  end

  # `kill` returns before the last thread has stopped.
  defp stopped?(os_pid) do
    for stat <- Path.wildcard("/proc/#{os_pid}/task/*/stat"), {:ok, text} <- [File.read(stat)] do
      text |> String.split(") ") |> List.last() |> String.starts_with?("T")
    end
    |> Enum.all?()
  end

  @doc "Undoes `freeze/1`."
  @spec thaw(t) :: :ok
  def thaw(device), do: signal(device, "CONT")

  defp signal(device, name) do
    {_, 0} = System.cmd("sh", ["-c", "kill -s #{name} #{device.os_pid}"])
    :ok
  end

  @doc "Stops the device; returns when its OS process is gone."
  @spec stop(t) :: :ok
  def stop(device), do: GenServer.stop(device.pid, :normal, 30_000)

  @doc "What the device has written so far."
  @spec log(t) :: String.t()
  def log(device), do: File.read!(device.log)
end
