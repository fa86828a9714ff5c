defmodule Hotpush.Transport.Targets do
  @moduledoc "The devices of a run, each with the transport that reaches it."

  alias Hotpush.{Config, Error, Transport}
  alias Hotpush.Config.{Cookie, Target}
  alias Hotpush.Transport.Dist.Owner

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
  Starts what the targets need in this VM, before the project is compiled: during the compilation it may
  not start, see `Hotpush.Transport.Dist.Owner`. The caller undoes it with `give_up/0`.

  A device behind adb whose node is not known has to wait.
  """
  @spec start_soon([Target.t()]) :: :ok
  def start_soon(targets) do
    # The engine, too, prepares devices behind adb last.
    by_node = Enum.sort_by(targets, &match?({:adb, _, _}, &1.way))

    with %Target{} = target <- Enum.find(by_node, &(&1.node && &1.cookie_error == nil)),
         do: Owner.start_soon(target.node, target.state_dir)

    :ok
  end

  @doc "Undoes `start_soon/1`."
  @spec give_up() :: :ok
  defdelegate give_up, to: Owner, as: :finish

  @doc """
  The same as `c:Hotpush.Transport.prepare/1`, but a target whose cookie is missing is not prepared.
  """
  @spec prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def prepare(%Target{cookie_error: nil} = target), do: target.transport.prepare(target)
  def prepare(%Target{cookie_error: error}), do: {:error, error}
end
