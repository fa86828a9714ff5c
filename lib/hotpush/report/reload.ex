defmodule Hotpush.Report.Reload do
  @moduledoc """
  A push of a watch as lines: one line for all devices that took it alike, and in full what went wrong
  or needs attention. Nothing if nothing differed. Pure.
  """

  alias Hotpush.{Report, Text}
  alias Hotpush.Report.{Lines, Result}

  @doc "The lines, in order. `ms` is the time from the first save to the end."
  @spec of(Report.t(), float()) :: [Lines.line()]
  def of(%Report{} = report, ms) do
    done = for %Result{status: :done, failures: []} = result <- report.outcomes, do: result

    reloaded =
      for {{changed, checked}, results} <- Enum.group_by(done, &{changed(&1), &1.checked}),
          changed != "",
          do: {:good, Text.printable(line(changed, checked, results, report, ms))}

    reloaded ++ Lines.troubles(report)
  end

  defp changed(result) do
    loaded = length(result.loaded) + length(result.added)

    [{loaded, "reloaded"}, {length(result.deleted), "removed"}]
    |> Enum.reject(&(elem(&1, 0) == 0))
    |> Enum.map_join(", ", fn {count, verb} -> "#{verb} #{count}" end)
  end

  defp line(changed, checked, results, report, ms) do
    names = Enum.map_join(results, ", ", & &1.target.name)
    compile = report.ms.compile
    push = max(report.ms.total - compile, 0.0)

    "#{changed} of #{Text.count(checked, "module")} on #{names} in #{Text.ms(ms)} " <>
      "(compile #{Text.ms(compile)}, push #{Text.ms(push)})"
  end
end
