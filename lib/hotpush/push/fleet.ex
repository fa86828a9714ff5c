defmodule Hotpush.Push.Fleet do
  @moduledoc "Visits all targets side by side, with a bound. One that fails costs only itself."

  alias Hotpush.Discovery.Names
  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Error.Fault
  alias Hotpush.Push.{Isolation, Preparation, Recovery, Retry, Visit}
  alias Hotpush.Report.Result

  @at_once 32

  @doc "An outcome per target, in the order of the targets."
  @spec run(Visit.t(), [Target.t()]) :: [Result.t()]
  def run(%Visit{} = visit, targets) do
    case Isolation.run(nil, fn -> all(visit, targets) end) do
      {:ok, outcomes} -> outcomes
      {:error, error} -> Enum.map(targets, &failed(&1, %{error | subject: &1.name}))
    end
  after
    # What was found before the visits, to make them.
    Names.give_back()
  end

  defp all(visit, targets),
    do: Preparation.prepared(targets, visit.config.timeout, &visits(visit, targets, &1))

  defp visits(visit, targets, prepared) do
    # A visit keeps to its own deadlines; this one is for what hangs in spite of them.
    timeout = visit.config.timeout
    last_resort = timeout + Recovery.grace(timeout) + (visit.config.wait || 0) + 10_000
    options = [max_concurrency: @at_once, timeout: last_resort, on_timeout: :kill_task]

    prepared
    |> Task.async_stream(&visit(visit, &1), options)
    |> Enum.zip(targets)
    |> Enum.map(fn
      {{:ok, {:ok, outcome}}, _} -> outcome
      {{:ok, {:error, error}}, target} -> failed(target, error)
      {{:exit, :timeout}, target} -> given_up(target, last_resort)
      {{:exit, reason}, target} -> failed(target, Fault.error(target.name, :exit, reason, []))
    end)
  end

  defp visit(visit, {asked, prepared}) do
    said = &visit.progress.({:waiting, asked.name, &1})

    Isolation.caught(asked.name, fn ->
      Retry.run(visit.config.wait, &attempt(visit, asked, prepared, &1), said)
    end)
  end

  # What was not there when all were prepared may be there now.
  defp attempt(visit, asked, _prepared, false),
    do: attempt(visit, asked, Preparation.prepare_again(asked), true)

  defp attempt(visit, _asked, {:ok, target}, true), do: Visit.run(visit, target)
  defp attempt(_visit, asked, {:error, error}, true), do: failed(asked, error)

  # How far it came is not known.
  defp given_up(target, ms) do
    error = Error.new(:load, target.name, {:given_up, ms})
    %{failed(target, error) | status: :unknown}
  end

  defp failed(target, error), do: Result.failed(%Result{target: target}, error)
end
