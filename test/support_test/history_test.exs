defmodule Hotpush.Test.HistoryTest do
  @moduledoc "`bin/history` sees what is wrong on a device."
  use ExUnit.Case, async: true

  alias Hotpush.Test.History.Truth
  alias Hotpush.Test.Workbench

  @source """
  defmodule Told do
    def v(1), do: :one
  end

  defmodule Kept do
    def v(1), do: :one
  end
  """

  test "other code, other lines, what is not there, and what still is" do
    bench = Workbench.new(:told, @source)
    device = Workbench.device(bench, mode: :embedded)
    reference = Truth.reference()
    faults = &Truth.faults(device, reference, &1, &2)

    assert faults.(beams(bench, [Told, Kept]), []) == []
    assert faults.(beams(bench, [Kept]), [Told]) == [{:code, Told, "is still there"}]

    Workbench.write(bench, String.replace(@source, ":one", ":two", global: false))

    assert [{:code, Told, "runs other code"}] = faults.(beams(bench, [Told, Kept]), [])
    assert %{status: :done} = Workbench.push(bench, device)
    assert faults.(beams(bench, [Told, Kept]), []) == []

    # Lines of what was pushed, and of what is the firmware's; each by two ways.
    Workbench.write(bench, "# Above.\n" <> String.replace(@source, ":one", ":two", global: false))

    assert [
             {:lines, Kept, "has other line numbers"},
             {:lines, Told, "has other line numbers"},
             {:lines, Kept, "v/1 raises in " <> _},
             {:lines, Told, "v/1 raises in " <> _}
           ] = Enum.sort_by(faults.(beams(bench, [Told, Kept]), []), fn {_, m, f} -> {f, m} end)

    Workbench.write(bench, "defmodule More do\nend\n")
    assert [{:code, More, "is not there"}] = faults.(beams(bench, [More]), [])
  end

  defp beams(bench, modules),
    do: Map.new(modules, &{&1, File.read!(Workbench.file(bench, &1))})
end
