defmodule Hotpush.Report.Lines do
  @moduledoc """
  A report as lines for people: `{:info | :error, text}`. Control characters are escaped here, in
  one place, whoever they came from. Pure.
  """

  alias Hotpush.{Error, Outcome, Report, Text}
  alias Hotpush.Error.Prose

  @reasons %{
    new: "new",
    code: "its code differs",
    lines: "its line numbers differ",
    forced: "--all"
  }

  @doc "The lines, in order."
  @spec of(Report.t()) :: [{:info | :error, String.t()}]
  def of(%Report{} = report) do
    report.outcomes
    |> Enum.flat_map(&outcome(&1, report))
    |> Enum.reject(fn {level, _} -> report.verbosity == :quiet and level == :info end)
    |> Enum.map(fn {level, text} -> {level, Text.printable(text)} end)
  end

  defp outcome(outcome, report) do
    name = outcome.target.name

    connected(outcome) ++
      modules(outcome, name) ++
      Enum.map(outcome.notices, &{:info, notice(&1, name)}) ++
      Enum.map(outcome.refusals, &{:error, "refused: " <> Error.message(&1)}) ++
      Enum.map(outcome.failures, &{:error, "failed: " <> Error.message(&1)}) ++
      summary(outcome, name) ++ verbose(outcome, report)
  end

  defp connected(%Outcome{connected?: false}), do: []
  defp connected(outcome), do: [{:info, "Successfully connected to #{outcome.target.name}"}]

  # A refused plan is shown, too: what would have been done is part of the answer.
  defp modules(%Outcome{status: status, plan: %{} = plan}, name)
       when status in [:planned, :refused] do
    Enum.map(plan.load, &{:info, "Would deploy #{&1.module} to #{name} (#{@reasons[&1.reason]})"}) ++
      Enum.map(plan.remove, &{:info, "Would delete #{&1.module} from #{name}"})
  end

  defp modules(outcome, name) do
    deployed = Enum.sort(outcome.loaded ++ outcome.added)

    Enum.map(deployed, &{:info, "Successfully deployed #{&1} to #{name}"}) ++
      Enum.map(outcome.deleted, &{:info, "Successfully deleted #{&1} from #{name}"})
  end

  defp summary(%Outcome{plan: nil}, _name), do: []

  defp summary(%Outcome{plan: %{load: [], remove: []}} = outcome, name) do
    [
      {:info,
       "Nothing differs on #{name}: #{Text.count(outcome.checked, "module")} checked (#{cost(outcome)})"}
    ]
  end

  defp summary(%Outcome{status: :done} = outcome, name) do
    load = Text.ms(Map.get(outcome.ms, :load, 0))
    [{:info, "#{differed(outcome)} on #{name}: loaded in #{load} (#{cost(outcome)})"}]
  end

  defp summary(%Outcome{status: :planned} = outcome, name),
    do: [{:info, "#{differed(outcome)} on #{name}: nothing was changed there (--dry-run)"}]

  defp summary(%Outcome{status: :refused}, name), do: [{:error, "Nothing was changed on #{name}"}]

  defp summary(outcome, name) do
    runs = length(outcome.loaded) + length(outcome.added)
    [{:error, "#{runs} of #{length(outcome.plan.load)} modules to load run on #{name} now"}]
  end

  defp differed(%Outcome{plan: plan, checked: checked}) do
    removed = if plan.remove == [], do: "", else: ", #{length(plan.remove)} removed,"
    "#{length(plan.load)} of #{Text.count(checked, "module")} differed" <> removed
  end

  defp cost(outcome) do
    "#{Text.bytes(outcome.sent)} sent, #{Text.count(outcome.round_trips, "round trip")}"
  end

  defp verbose(outcome, %{verbosity: :verbose} = report) do
    steps =
      for key <- [:compile, :scan, :connect, :ask, :send, :load],
          ms = Map.get(outcome.ms, key) || report.ms[key],
          do: "#{key} #{Text.ms(ms)}"

    reasons =
      for action <- (outcome.plan && outcome.plan.load) || [],
          do: {:info, "  #{action.module}: #{@reasons[action.reason]}"}

    received = "  #{Text.bytes(outcome.sent)} sent, #{Text.bytes(outcome.received)} received"
    reasons ++ [{:info, "  " <> Enum.join(steps, ", ")}, {:info, received}]
  end

  defp verbose(_outcome, _report), do: []

  @doc "A notice as a sentence."
  @spec notice(Hotpush.Plan.notice(), String.t()) :: String.t()
  def notice({:new_app, app}, name) do
    "note: #{name} does not have the application #{app}: its modules are loaded, " <>
      "but nothing starts it there before the next firmware"
  end

  def notice({:stale_dev, app, modules}, name) do
    "note: #{name} has #{Text.count(length(modules), "module")} of the development-only " <>
      "dependency #{app} that differ: --app #{app} pushes them"
  end

  def notice({:still_running, holders}, name) do
    "note: on #{name} the replaced code is still run by #{Prose.holders(holders)}, " <>
      "each until it next calls it by its module's name or is restarted"
  end

  def notice({:killed, holders}, name),
    do: "note: --purge kill ended on #{name}: #{Prose.holders(holders)}"

  def notice({:nif_skipped, modules}, name) do
    "note: --all left out #{Enum.join(modules, ", ")}, which does not differ " <>
      "and has native code loaded on #{name}"
  end
end
