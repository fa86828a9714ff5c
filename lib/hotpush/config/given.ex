defmodule Hotpush.Config.Given do
  @moduledoc """
  What was typed: the options of a command line or of a function, each with a value of the type in its
  row of `Hotpush.Config.Switches`. Pure.

  `Hotpush.Config` says what they mean, together with the environment, `hotpush.toml` and the Mix
  config: a name here may be a nickname, a node, or a mistake. The cookie is never inspected.
  """

  alias Hotpush.Config.Secret

  defstruct [:json, :timeout, :wait, :purge, :cookie] ++
              [devices: [], module: [], app: [], only: [], all: false, dry_run: false] ++
              [
                compile: true,
                force: false,
                docs: false,
                discover: nil,
                watch: false,
                quiet: false,
                verbose: false
              ]

  @typedoc """
  A device as it was named: with `--node`, `--ssh`, `--device` or `--group`, or as a host without an
  option.
  """
  @type device :: {:host | :node | :ssh | :device | :group, String.t()}

  @type t :: %__MODULE__{
          json: Path.t() | nil,
          timeout: pos_integer() | nil,
          wait: pos_integer() | nil,
          purge: String.t() | nil,
          cookie: Secret.text() | nil,
          devices: [device()],
          module: [String.t()],
          app: [String.t()],
          only: [String.t()],
          all: boolean(),
          dry_run: boolean(),
          compile: boolean(),
          force: boolean(),
          docs: boolean(),
          discover: boolean() | nil,
          watch: boolean(),
          quiet: boolean(),
          verbose: boolean()
        }

  @named [:host, :node, :ssh, :device, :group]

  @doc """
  Collects these options, in order. Of an option that may not be repeated, the last value counts.

      iex> given = Hotpush.Config.Given.new(node: "a@b", timeout: 1, group: "all", timeout: 2)
      iex> {given.devices, given.timeout}
      {[node: "a@b", group: "all"], 2}
  """
  @spec new(keyword()) :: t()
  def new(options), do: Enum.reduce(options, %__MODULE__{}, &put/2)

  defp put({name, text}, given) when name in @named,
    do: %{given | devices: given.devices ++ [{name, text}]}

  defp put({:cookie, text}, given), do: %{given | cookie: Secret.wrap(text)}

  defp put({name, value}, given) do
    case given do
      %{^name => list} when is_list(list) -> %{given | name => list ++ [value]}
      %{^name => _} -> %{given | name => value}
    end
  end
end
