defmodule Hotpush.Target do
  @moduledoc "One device as it was asked for, and how it is reached."

  alias Hotpush.{Config, Secret}

  defstruct [:name, :transport, :node, :cookie, :state_dir]

  @type t :: %__MODULE__{
          name: String.t(),
          transport: module(),
          node: node(),
          cookie: Secret.t() | nil,
          state_dir: Path.t()
        }

  @doc "The targets of a run. `state_dir` is where a transport may keep small things."
  @spec list(Config.t(), Path.t()) :: [t()]
  def list(%Config{} = config, state_dir) do
    for node <- config.nodes do
      %__MODULE__{
        name: to_string(node),
        transport: Hotpush.Transport.Dist,
        node: node,
        cookie: config.cookie,
        state_dir: state_dir
      }
    end
  end
end
