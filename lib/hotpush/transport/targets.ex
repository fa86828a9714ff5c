defmodule Hotpush.Transport.Targets do
  @moduledoc "The devices of a run, each with the transport that reaches it."

  alias Hotpush.{Config, Error, Transport}
  alias Hotpush.Config.{Cookie, Route, Target}

  @doc "The targets of a run. `state_dir` is where a transport may keep small things."
  @spec list(Config.t(), Path.t()) :: [Target.t()]
  def list(%Config{} = config, state_dir) do
    for route <- config.routes do
      reach(route.way, %Target{
        name: Route.title(route),
        address: route.name,
        similar: route.similar,
        way: route.way,
        # A device's own outweighs the one for all.
        cookie: route.cookie || config.cookie,
        cookie_error: Cookie.missing(route, config),
        host_keys: route.host_keys,
        state_dir: state_dir,
        guides: config.guides
      })
    end
  end

  @doc """
  As `c:Hotpush.Transport.prepare/1`. A target that cannot be offered its cookie is not prepared.
  """
  @spec prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def prepare(%Target{cookie_error: nil} = target), do: target.transport.prepare(target)
  def prepare(%Target{cookie_error: error}), do: {:error, error}

  defp reach({:node, node}, target), do: %{target | transport: Transport.Dist, node: node}
  defp reach({:ssh, _}, target), do: %{target | transport: Transport.Ssh}

  # Its node may be found out only when its tunnels stand.
  defp reach({:adb, _, node}, target), do: %{target | transport: Transport.Adb, node: node}
end
