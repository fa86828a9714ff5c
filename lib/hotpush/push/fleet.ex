defmodule Hotpush.Push.Fleet do
  @moduledoc "Visits all targets side by side. One device's failure does not affect the others."

  alias Hotpush.Config.Target
  alias Hotpush.Discovery.Names
  alias Hotpush.Error
  alias Hotpush.Push.{Engine, Isolation, Preparation, Recovery, Retry, Visit}
  alias Hotpush.Report.Result

  @opaque t :: {Isolation.t(), [Target.t()]}

  @doc "Returns a result per target, in the order of the targets. Options: see `start/3`."
  @spec run(Visit.t(), [Target.t()], keyword()) :: [Result.t()]
  def run(%Visit{} = visit, targets, options \\ []) do
    fleet = start(visit, targets, options)

    try do
      results(fleet)
    after
      stop(fleet)
    end
  end

  @doc """
  Starts the visits. The caller takes their `results/1`, and stops them when it is done.

  With `barriers: [:commit]`, no device begins to run new code before all devices that can take it have
  received all of it. They wait for each other for at most the timeout of a visit. No command offers this
  yet.
  """
  @spec start(Visit.t(), [Target.t()], keyword()) :: t()
  def start(%Visit{} = visit, targets, options \\ []) do
    barriers = Keyword.get(options, :barriers, [])
    visit = %{visit | apart?: :commit in barriers}
    {Isolation.start(nil, fn -> all(visit, targets, barriers) end), targets}
  end

  @doc "Waits for a result per target, in the order of the targets."
  @spec results(t()) :: [Result.t()]
  def results({work, targets}) do
    case Isolation.await(work) do
      {:ok, results} -> results
      {:error, error} -> Enum.map(targets, &failed(&1, %{error | subject: &1.name}))
    end
  end

  @doc "Ends the visits that are still running. Nothing of them stays on a device."
  @spec stop(t()) :: :ok
  def stop({work, _targets}) do
    Isolation.stop(work)
    # What was found before the visits, to start them.
    Names.give_back()
  end

  defp all(visit, targets, barriers) do
    # A visit keeps its own deadlines; this one is for work that hangs in spite of them.
    timeout = visit.config.timeout
    waits = (visit.config.wait || 0) + length(barriers) * timeout
    last_resort = timeout + Recovery.grace(timeout) + waits + 10_000

    Preparation.named(targets, timeout, fn ->
      options = [limit: last_resort, limit_from: fn -> Visit.built(visit) end]
      options = options ++ [barriers: barriers, barrier_ms: timeout]
      work = &visit(%{visit | reach: &3}, &1, &2)

      for {target, result} <- Engine.run(targets, work, options) do
        case result do
          {:ok, result} -> result
          {:error, error} -> failed(target, error)
          :late -> given_up(target, last_resort)
        end
      end
    end)
  end

  defp visit(visit, asked, prepared) do
    said = &visit.progress.({:waiting, asked.name, &1})
    Retry.run(visit.config.wait, &attempt(visit, asked, prepared, &1), said)
  end

  # A device that was not there when all were prepared may be there now.
  defp attempt(visit, asked, _prepared, false),
    do: attempt(visit, asked, Preparation.again(asked), true)

  # The result is copied from process to process, and kept until all are done.
  defp attempt(visit, _asked, {:ok, target}, true),
    do: visit |> Visit.run(target) |> Result.without_modules()

  defp attempt(_visit, asked, {:error, error}, true), do: failed(asked, error)

  # It is unknown how far it got.
  defp given_up(target, ms) do
    error = Error.new(:load, target.name, {:given_up, ms})
    %{failed(target, error) | status: :unknown}
  end

  defp failed(target, error), do: Result.failed(%Result{target: target}, error)
end
