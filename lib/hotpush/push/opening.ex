defmodule Hotpush.Push.Opening do
  @moduledoc "Reaches a device, and asks it, while the project is still being compiled."

  alias Hotpush.{Error, Project}
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Session
  alias Hotpush.Push.Stopwatch

  # After a longer compilation, the device is reached again: it may have restarted, or may only be
  # reachable now.
  @stale_ms 5_000

  @typedoc "Waits for the compilation: the project, and when it was compiled (`Stopwatch.now/0`)."
  @type built :: (() -> {:ok, Project.t(), at :: float()} | {:error, Error.t()})

  @typedoc "What is asked as soon as there is a session: the answer, and the session after it."
  @type meanwhile :: (Session.t() -> {term(), Session.t()})

  @typedoc "How long (ms) the compiled project waited for the device, and for its answer."
  @type waited :: %{connect: float(), ask: float()}

  @doc """
  Opens a session, asks what can already be asked, and waits until the project is compiled. `timeout`
  (ms) is for the whole visit, without that wait. The answer is `nil` if the device answered too early.
  """
  @spec run(Target.t(), pos_integer(), meanwhile(), built()) ::
          {{:ok, Session.t(), Project.t(), term()} | {:error, Error.t()}, waited()}
  def run(target, timeout, meanwhile, built) do
    begun = Stopwatch.now()
    opened = Session.open(target, timeout)
    reached = Stopwatch.now()
    {asked, opened} = asked(opened, meanwhile)
    answered = Stopwatch.now()

    case built.() do
      {:ok, project, at} ->
        waited = Stopwatch.now() - answered

        if waited < @stale_ms do
          ms = %{
            connect: max(reached - max(begun, at), 0.0),
            ask: max(answered - max(reached, at), 0.0)
          }

          {with_project(opened, project, asked, waited), ms}
        else
          close(opened)
          {opened, ms} = Stopwatch.timed(fn -> Session.open(target, timeout) end)
          {with_project(opened, project, nil, 0), %{connect: ms, ask: 0.0}}
        end

      {:error, error} ->
        close(opened)
        {{:error, error}, %{connect: 0.0, ask: 0.0}}
    end
  end

  defp asked({:ok, session}, meanwhile) do
    {asked, session} = meanwhile.(session)
    {asked, {:ok, session}}
  end

  defp asked(error, _meanwhile), do: {nil, error}

  defp with_project({:ok, session}, project, asked, waited),
    do: {:ok, Session.extend(session, waited), project, asked}

  defp with_project(error, _project, _asked, _waited), do: error

  defp close({:ok, session}), do: Session.close(session)
  defp close({:error, _error}), do: :ok
end
