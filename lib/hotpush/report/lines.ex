defmodule Hotpush.Report.Lines do
  @moduledoc """
  A report as lines for people: successes (`:good`), errors (`:error`) and everything else (`:info`).
  This is the one place that escapes control characters, wherever they came from. Pure.
  """

  alias Hotpush.{Error, Plan, Report, Text}
  alias Hotpush.Plan.Steps
  alias Hotpush.Report.{Notices, Result}

  @type line :: {:good | :info | :error, String.t()}

  # If there are more than @most lines of one kind, only the first ones are shown, and a count.
  @most 20
  @first 10

  @doc "The lines, in order."
  @spec of(Report.t()) :: [line()]
  def of(%Report{} = report) do
    report.outcomes
    |> Enum.flat_map(&outcome(&1, report))
    |> Enum.reject(fn {level, _} -> report.verbosity == :quiet and level != :error end)
    |> Enum.map(fn {level, text} -> {level, Text.printable(text)} end)
  end

  @doc "Only what went wrong or needs attention: notices, refusals and failures."
  @spec troubles(Report.t()) :: [line()]
  def troubles(%Report{} = report) do
    for outcome <- report.outcomes,
        line <- notices(outcome, report) ++ wrong(outcome, report),
        do: {elem(line, 0), Text.printable(elem(line, 1))}
  end

  defp wrong(outcome, report) do
    Enum.map(outcome.refusals, &{:error, "refused: " <> Error.message(&1)}) ++
      failures(outcome, report) ++
      for({:error, _} = line <- summary(outcome, outcome.target.name), do: line)
  end

  defp outcome(outcome, report) do
    name = outcome.target.name

    connected(outcome) ++
      modules(outcome, name, report) ++
      notices(outcome, report) ++
      Enum.map(outcome.refusals, &{:error, "refused: " <> Error.message(&1)}) ++
      failures(outcome, report) ++
      summary(outcome, name) ++ verbose(outcome, report)
  end

  defp connected(%Result{connected?: false}), do: []
  defp connected(outcome), do: [{:good, "Successfully connected to #{outcome.target.name}"}]

  # Only failures of modules are cut: the list of unusable files ends with a count of its own.
  defp failures(outcome, report) do
    {modules, other} = Enum.split_with(outcome.failures, &(&1.stage == :load))
    lines = fn errors -> Enum.map(errors, &{:error, "failed: " <> Error.message(&1)}) end
    lines.(other) ++ some(lines.(modules), report)
  end

  defp some(lines, %{verbosity: :verbose}), do: lines

  defp some([{level, _} | _] = lines, _report) when length(lines) > @most do
    {shown, more} = Enum.split(lines, @first)
    shown ++ [{level, "and #{length(more)} more (--verbose lists them)"}]
  end

  defp some(lines, _report), do: lines

  defp modules(%Result{status: status, plan: %{} = plan} = outcome, name, report)
       when status in [:planned, :refused] do
    if listed?(outcome, report),
      do: each(Steps.would(plan, name), :info, report),
      else: []
  end

  defp modules(outcome, name, report), do: each(Steps.did(outcome, name), :good, report)

  defp each(kinds, level, report),
    do: Enum.flat_map(kinds, fn lines -> some(Enum.map(lines, &{level, &1}), report) end)

  # Every second push to a module purges, so this notice is only for those who ask.
  defp notices(outcome, report) do
    for notice <- outcome.notices,
        report.verbosity == :verbose or elem(notice, 0) != :purged,
        do: {:info, Notices.sentence(notice, outcome)}
  end

  defp summary(%Result{plan: nil}, _name), do: []

  defp summary(outcome, name),
    do: if(Plan.empty?(outcome.plan), do: nothing(outcome, name), else: summed(outcome, name))

  defp nothing(outcome, name) do
    checked = Text.count(outcome.checked, "module")
    [{:good, "Nothing differs on #{name}: #{checked} checked (#{cost(outcome)})"}]
  end

  defp summed(%Result{status: :done} = outcome, name) do
    # Unknown if the answer was lost.
    load = if ms = outcome.ms[:load], do: " in #{Text.ms(ms)}", else: ""
    {differed, verb} = differed(outcome)
    [{:good, "#{differed} on #{name}: #{verb}#{load} (#{cost(outcome)})"}]
  end

  defp summed(%Result{status: :planned} = outcome, name) do
    {differ, _verb} = differed(outcome)
    [{:info, "#{differ} on #{name}: nothing was changed there (--dry-run)"}]
  end

  defp summed(%Result{status: :refused}, name), do: [{:error, "Nothing was changed on #{name}"}]

  defp summed(%Result{status: :unknown, plan: plan}, name) do
    count = Text.count(Steps.changes(plan.steps), "change")
    [{:error, "It is unknown whether #{count} took effect on #{name}"}]
  end

  defp summed(%Result{plan: %{load: [], remove: remove}} = outcome, name) do
    still = length(remove) - length(outcome.deleted)
    [{:error, "#{name} still has #{still} of the #{length(remove)} modules to remove"}]
  end

  defp summed(outcome, name) do
    runs = length(outcome.loaded) + length(outcome.added)
    [{:error, "#{name} now runs #{runs} of the #{length(outcome.plan.load)} modules to load"}]
  end

  # What was done, or for a planned push, what would be done.
  defp differed(outcome) do
    case Steps.summary(outcome) do
      {[part], verb} -> {part, verb}
      {parts, verb} -> {Enum.join(parts, ", ") <> ",", verb}
    end
  end

  defp cost(outcome) do
    "#{Text.bytes(outcome.sent)} sent, #{Text.count(outcome.round_trips, "round trip")}"
  end

  defp verbose(outcome, %{verbosity: :verbose} = report) do
    # For a plan, the lines above already have the reasons.
    reasons =
      if outcome.plan && outcome.status not in [:planned, :refused],
        do: for(line <- Steps.reasons(outcome.plan), do: {:info, "  " <> line}),
        else: []

    received = "  #{Text.bytes(outcome.sent)} sent, #{Text.bytes(outcome.received)} received"
    reasons ++ [{:info, "  " <> steps(Report.ms(report, outcome))}, {:info, received}]
  end

  defp verbose(_outcome, _report), do: []

  defp steps(ms) do
    {start, steps} = Keyword.pop(ms, :start, 0)
    total = ms |> Keyword.values() |> Enum.sum()
    before = if start > 0, do: ["#{Text.ms(start)} before the command"], else: []
    steps = for {step, ms} <- steps, do: "#{step} #{Text.ms(ms)}"
    Enum.join(steps ++ before, ", ") <> ": #{Text.ms(total)} in all"
  end

  # For a refused push, the refusal is what matters.
  defp listed?(%Result{status: :planned}, _report), do: true

  # For another project's device, not even what the push would have done.
  defp listed?(%Result{status: :refused} = outcome, report) do
    (report.dry_run? or report.verbosity == :verbose) and
      not Enum.any?(outcome.refusals, &match?({:other_project, _, _}, &1.reason))
  end
end
