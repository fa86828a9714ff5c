defmodule Hotpush.Report.Notices do
  @moduledoc "The sentences for notices: what else to know about a push to a device. Pure."

  alias Hotpush.{Plan, Text}
  alias Hotpush.Error.Prose.Phrases
  alias Hotpush.Protocol.LastPush
  alias Hotpush.Report.Result

  @doc "The sentence for a notice of a device's result."
  @spec sentence(Plan.notice(), Result.t()) :: String.t()
  def sentence(notice, %Result{status: status, target: target}),
    do: sentence(notice, target.name, if(status == :planned, do: "would be", else: "are"))

  defp sentence({:new_app, app}, name, are) do
    "note: #{name} does not have the application #{app}: its modules #{are} loaded, " <>
      "but the device does not start it before the next firmware"
  end

  defp sentence({:start_not_run, modules}, name, _are) do
    "note: #{Enum.join(modules, ", ")} changed, but #{name} does not run start/2 again: children that " <>
      "it adds or changes start with the next firmware, or when you restart the application there"
  end

  defp sentence({:stale_dev, app, modules}, name, _are) do
    {differ, them} = if match?([_], modules), do: {"differs", "it"}, else: {"differ", "them"}

    "note: on #{name}, #{Text.count(length(modules), "module")} of the development-only " <>
      "dependency #{app} #{differ}. Use --app #{app} to push #{them}"
  end

  defp sentence({:still_running, holders}, name, _are) do
    "note: on #{name}, these processes still run the replaced code: #{Phrases.holders(holders)}. " <>
      "Each does so until it calls the code by its module's name, or is restarted"
  end

  defp sentence({:orphaned, orphaned}, name, _are) do
    {shown, more} = Enum.split(orphaned, 10)
    more = if more == [], do: "", else: " and #{length(more)} more"

    "note: on #{name}, functions that no longer exist will be called: " <>
      Enum.map_join(shown, "; ", fn {pid, who, module, supervisor, functions} ->
        "#{Phrases.functions(functions)} by #{Phrases.living([{pid, who, module, supervisor}])}"
      end) <> more
  end

  defp sentence({:killed, holders}, name, _are),
    do: "note: --purge kill ended on #{name}: #{Phrases.holders(holders)}"

  defp sentence({:would_kill, holders}, name, _are),
    do: "note: --purge kill would end on #{name}: #{Phrases.holders(holders)}"

  defp sentence({:answer_lost, count, purge}, name, _are) do
    "note: the answer from #{name} was lost. Asked again, it says that #{all(count)}" <>
      if(purge == :kill, do: "; it is unknown which processes --purge kill ended", else: "")
  end

  defp sentence({:target_kept, modules}, name, _are) do
    "note: this build is for another target, so #{name} keeps the modules that name its own: " <>
      Enum.join(modules, ", ")
  end

  defp sentence({:left_apps, apps}, name, _are) do
    "note: #{name} still has #{Enum.join(apps, ", ")}, which this project no longer has: " <>
      "only new firmware removes an application"
  end

  defp sentence({:restored, modules}, name, _are) do
    "note: #{name} runs its own #{Enum.join(modules, ", ")} again"
  end

  defp sentence({:nif_skipped, modules}, name, _are) do
    "note: --all left out modules that do not differ and have native code loaded on " <>
      "#{name}: #{Enum.join(modules, ", ")}"
  end

  defp sentence({:stays, modules}, name, _are) do
    "note: #{name} keeps the new code of " <>
      Enum.map_join(modules, ", ", fn {module, reason} ->
        "#{module} (#{String.trim(Phrases.load_reason(reason), ".")})"
      end) <> ", although the push failed"
  end

  defp sentence({:last_push, last, same_person?}, name, _are) do
    from = if same_person?, do: " from another folder", else: ""
    what = "#{Text.quoted(last.project)}, build #{Text.name(last.build)}"
    "note: #{name} was last pushed by #{LastPush.text(last)}#{from} (#{what})"
  end

  defp sentence({:not_noted, _}, name, _are),
    do: "note: #{name} did not record who pushed last"

  defp sentence({:purged, modules}, name, _are) do
    "note: #{name} dropped the version before last of #{Enum.join(modules, ", ")}: an anonymous " <>
      "function of that version, if something still holds one, raises BadFunctionError when it " <>
      "is called (&Mod.fun/1 does not)"
  end

  defp all(0), do: "all modules to remove are gone"
  defp all(1), do: "it runs the module that was sent"
  defp all(count), do: "it runs all #{count} modules that were sent"
end
