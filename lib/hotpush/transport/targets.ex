defmodule Hotpush.Transport.Targets do
  @moduledoc "The devices of a run, each with the transport that reaches it."

  alias Hotpush.{Config, Error, Transport}
  alias Hotpush.Config.{Cookie, Target}

  @doc "The targets of a run. `state_dir` is where a transport may keep small things."
  @spec list(Config.t(), Path.t()) :: [Target.t()]
  def list(%Config{} = config, state_dir) do
    for target <- config.targets do
      %{
        target
        | transport: transport(target.way),
          # A device's own cookie takes precedence.
          cookie: target.cookie || config.cookie,
          cookie_error: Cookie.missing(target, config),
          state_dir: state_dir,
          guides: config.guides
      }
    end
  end

  # The node of a device behind adb may be known only after its tunnels are set up.
  defp transport({:node, _}), do: Transport.Dist
  defp transport({:ssh, _}), do: Transport.Ssh
  defp transport({:adb, _, _}), do: Transport.Adb

  @doc """
  The same as `c:Hotpush.Transport.prepare/1`, but a target whose cookie is missing is not prepared.
  """
  @spec prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def prepare(%Target{cookie_error: nil} = target), do: target.transport.prepare(target)
  def prepare(%Target{cookie_error: error}), do: {:error, error}
end
