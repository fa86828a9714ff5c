defmodule Hotpush.Push.Opening do
  @moduledoc "Reaches a device while the project is still being compiled."

  alias Hotpush.{Error, Project}
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Session
  alias Hotpush.Push.Stopwatch

  # After a longer compilation the device is reached again: it may have restarted meanwhile, or
  # have been found only now.
  @stale_ms 5_000

  @typedoc "Waits for the compilation: the project, and when it was compiled (`Stopwatch.now/0`)."
  @type built :: (() -> {:ok, Project.t(), at :: float()} | {:error, Error.t()})

  @doc """
  Opens a session, and waits until the project is compiled. `timeout` (ms) is for the whole visit,
  without that wait. Beside the answer: how long (ms) the compiled project waited for the device.
  """
  @spec run(Target.t(), pos_integer(), built()) ::
          {{:ok, Session.t(), Project.t()} | {:error, Error.t()}, float()}
  def run(target, timeout, built) do
    begun = Stopwatch.now()
    opened = Session.open(target, timeout)
    reached = Stopwatch.now()

    case built.() do
      {:ok, project, at} ->
        waited = Stopwatch.now() - reached

        if waited < @stale_ms do
          {with_project(opened, project, waited), max(reached - max(begun, at), 0.0)}
        else
          close(opened)
          {opened, ms} = Stopwatch.timed(fn -> Session.open(target, timeout) end)
          {with_project(opened, project, 0), ms}
        end

      {:error, error} ->
        close(opened)
        {{:error, error}, 0.0}
    end
  end

  defp with_project({:ok, session}, project, waited),
    do: {:ok, Session.extend(session, waited), project}

  defp with_project(error, _project, _waited), do: error

  defp close({:ok, session}), do: Session.close(session)
  defp close({:error, _error}), do: :ok
end
