defmodule Hotpush.Report.Lines do
  @moduledoc """
  A report as lines for people: successes (`:good`), errors (`:error`) and everything else (`:info`).
  This is the one place that escapes control characters, wherever they came from. Pure.
  """

  alias Hotpush.{Error, Plan, Report, Text}
  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.LastPush
  alias Hotpush.Report.Result
  alias Hotpush.Error.Prose.Phrases

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
        do: {:info, notice(notice, outcome)}
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

  @doc "A notice of an outcome, as a sentence."
  @spec notice(Hotpush.Plan.notice(), Result.t()) :: String.t()
  def notice(notice, %Result{status: status, target: target}),
    do: notice(notice, target.name, if(status == :planned, do: "would be", else: "are"))

  defp notice({:new_app, app}, name, are) do
    "note: #{name} does not have the application #{app}: its modules #{are} loaded, " <>
      "but the device does not start it before the next firmware"
  end

  defp notice({:start_not_run, modules}, name, _are) do
    "note: #{Enum.join(modules, ", ")} changed, but #{name} does not run start/2 again: children that " <>
      "it adds or changes start with the next firmware, or when you restart the application there"
  end

  defp notice({:stale_dev, app, modules}, name, _are) do
    {differ, them} = if match?([_], modules), do: {"differs", "it"}, else: {"differ", "them"}

    "note: on #{name}, #{Text.count(length(modules), "module")} of the development-only " <>
      "dependency #{app} #{differ}. Use --app #{app} to push #{them}"
  end

  defp notice({:still_running, holders}, name, _are) do
    "note: on #{name}, these processes still run the replaced code: #{Phrases.holders(holders)}. " <>
      "Each does so until it calls the code by its module's name, or is restarted"
  end

  defp notice({:orphaned, orphaned}, name, _are) do
    {shown, more} = Enum.split(orphaned, 10)
    more = if more == [], do: "", else: " and #{length(more)} more"

    "note: on #{name}, functions that no longer exist will be called: " <>
      Enum.map_join(shown, "; ", fn {pid, who, module, supervisor, functions} ->
        "#{Phrases.functions(functions)} by #{Phrases.living([{pid, who, module, supervisor}])}"
      end) <> more
  end

  defp notice({:killed, holders}, name, _are),
    do: "note: --purge kill ended on #{name}: #{Phrases.holders(holders)}"

  defp notice({:would_kill, holders}, name, _are),
    do: "note: --purge kill would end on #{name}: #{Phrases.holders(holders)}"

  defp notice({:answer_lost, count, purge}, name, _are) do
    "note: the answer from #{name} was lost. Asked again, it says that #{all(count)}" <>
      if(purge == :kill, do: "; it is unknown which processes --purge kill ended", else: "")
  end

  defp notice({:target_kept, modules}, name, _are) do
    "note: this build is for another target, so #{name} keeps the modules that name its own: " <>
      Enum.join(modules, ", ")
  end

  defp notice({:left_apps, apps}, name, _are) do
    "note: #{name} still has #{Enum.join(apps, ", ")}, which this project no longer has: " <>
      "only new firmware removes an application"
  end

  defp notice({:restored, modules}, name, _are) do
    "note: #{name} runs its own #{Enum.join(modules, ", ")} again"
  end

  defp notice({:nif_skipped, modules}, name, _are) do
    "note: --all left out modules that do not differ and have native code loaded on " <>
      "#{name}: #{Enum.join(modules, ", ")}"
  end

  defp notice({:stays, modules}, name, _are) do
    "note: #{name} keeps the new code of " <>
      Enum.map_join(modules, ", ", fn {module, reason} ->
        "#{module} (#{String.trim(Phrases.load_reason(reason), ".")})"
      end) <> ", although the push failed"
  end

  defp notice({:last_push, last, same_person?}, name, _are) do
    from = if same_person?, do: " from another folder", else: ""
    what = "#{Text.quoted(last.project)}, build #{Text.name(last.build)}"
    "note: #{name} was last pushed by #{LastPush.text(last)}#{from} (#{what})"
  end

  defp notice({:not_noted, _}, name, _are),
    do: "note: #{name} did not record who pushed last"

  defp notice({:purged, modules}, name, _are) do
    "note: #{name} dropped the version before last of #{Enum.join(modules, ", ")}: an anonymous " <>
      "function of that version, if something still holds one, raises BadFunctionError when it " <>
      "is called (&Mod.fun/1 does not)"
  end

  defp all(0), do: "all modules to remove are gone"
  defp all(1), do: "it runs the module that was sent"
  defp all(count), do: "it runs all #{count} modules that were sent"
end
