defmodule Hotpush.Push.Fleet do
  @moduledoc "Visits all targets side by side. One device's failure does not affect the others."

  alias Hotpush.Config.Target
  alias Hotpush.Discovery.Names
  alias Hotpush.Error
  alias Hotpush.Push.{Engine, Isolation, Preparation, Recovery, Retry, Visit}
  alias Hotpush.Report.Result

  @doc "A result per target, in the order of the targets."
  @spec run(Visit.t(), [Target.t()]) :: [Result.t()]
  def run(%Visit{} = visit, targets) do
    case Isolation.run(nil, fn -> all(visit, targets) end) do
      {:ok, results} -> results
      {:error, error} -> Enum.map(targets, &failed(&1, %{error | subject: &1.name}))
    end
  after
    # What was found before the visits, to make them.
    Names.give_back()
  end

  defp all(visit, targets) do
    # A visit keeps to its own deadlines; this one is for what hangs in spite of them.
    timeout = visit.config.timeout
    last_resort = timeout + Recovery.grace(timeout) + (visit.config.wait || 0) + 10_000

    Preparation.named(targets, timeout, fn ->
      for {target, result} <- Engine.run(targets, &visit(visit, &1, &2), limit: last_resort) do
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

  # What was not there when all were prepared may be there now.
  defp attempt(visit, asked, _prepared, false),
    do: attempt(visit, asked, Preparation.again(asked), true)

  defp attempt(visit, _asked, {:ok, target}, true), do: Visit.run(visit, target)
  defp attempt(_visit, asked, {:error, error}, true), do: failed(asked, error)

  # How far it came is not known.
  defp given_up(target, ms) do
    error = Error.new(:load, target.name, {:given_up, ms})
    %{failed(target, error) | status: :unknown}
  end

  defp failed(target, error), do: Result.failed(%Result{target: target}, error)
end
