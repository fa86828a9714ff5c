defmodule Hotpush.Watch.Away do
  @moduledoc """
  The devices of a watch that cannot be reached, that do not answer, or that are busy with somebody else's
  push. They are tried again beside the others, which do not wait for them. Pure.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Push.Retry
  alias Hotpush.Report
  alias Hotpush.Report.Result

  @typedoc "The names of the devices that are away."
  @type t :: MapSet.t(String.t())

  @doc "The targets that are there, and those that are away."
  @spec split([Target.t()], t()) :: {[Target.t()], [Target.t()]}
  def split(targets, away), do: Enum.split_with(targets, &(&1.name not in away))

  @doc """
  Who is away after this report, and the report without the failures that were said before: of devices
  that were away already. Returns also who is back.
  """
  @spec seen(t(), Report.t()) :: {t(), Report.t(), back :: [String.t()]}
  def seen(away, %Report{} = report) do
    {gone, there} = Enum.split_with(report.outcomes, &away?/1)
    names = fn outcomes -> MapSet.new(outcomes, & &1.target.name) end
    said = Enum.reject(report.outcomes, &(away?(&1) and &1.target.name in away))
    back = for result <- there, result.target.name in away, do: result.target.name
    away = away |> MapSet.difference(names.(there)) |> MapSet.union(names.(gone))
    {away, %{report | outcomes: said}, back}
  end

  defp away?(%Result{status: :unknown}), do: true

  defp away?(%Result{failures: failures} = result),
    do: Enum.any?(failures, &(&1.stage in [:connect, :ask])) or Retry.passing(result) != nil
end
