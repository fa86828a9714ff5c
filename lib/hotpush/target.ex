defmodule Hotpush.Target do
  @moduledoc "One device as it was asked for, and how it is reached."

  alias Hotpush.{Config, Error, Route, Secret, Transport}
  alias Hotpush.Config.Cookie

  defstruct [:name, :transport, :way, :node, :cookie, :cookie_error, :host_keys, :state_dir]

  @typedoc """
    * `:name` - what the device is called in what people read
    * `:node` - its node, `nil` where it is reached without distribution
    * `:cookie_error` - why the cookie that it needs cannot be had: then it is not visited
    * `:host_keys` - the only public keys that its host may have, where they were confirmed
    * `:state_dir` - where a transport may keep small things
  """
  @type t :: %__MODULE__{
          name: String.t(),
          transport: module(),
          way: Route.way(),
          node: node() | nil,
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          host_keys: [String.t(), ...] | nil,
          state_dir: Path.t()
        }

  @doc "The targets of a run."
  @spec list(Config.t(), Path.t()) :: [t()]
  def list(%Config{} = config, state_dir) do
    for route <- config.routes do
      reach(route.way, %__MODULE__{
        name: Route.title(route),
        way: route.way,
        # A device's own outweighs the one for all.
        cookie: route.cookie || config.cookie,
        cookie_error: Cookie.missing(route, config),
        host_keys: route.host_keys,
        state_dir: state_dir
      })
    end
  end

  @doc "As `c:Hotpush.Transport.prepare/1`; one that cannot be offered its cookie is not even begun with."
  @spec prepare(t()) :: {:ok, t()} | {:error, Error.t()}
  def prepare(%__MODULE__{cookie_error: nil} = target), do: target.transport.prepare(target)
  def prepare(%__MODULE__{cookie_error: error}), do: {:error, error}

  defp reach({:node, node}, target), do: %{target | transport: Transport.Dist, node: node}
  defp reach({:ssh, _}, target), do: %{target | transport: Transport.Ssh}

  # Its node may be found out only when its tunnels stand.
  defp reach({:adb, _, node}, target), do: %{target | transport: Transport.Adb, node: node}
end
