defmodule Hotpush.PartsTest do
  @moduledoc """
  What a device's description costs, and that it is true whatever the host remembers. Without these
  tests, each push could carry the whole description again, or believe an old one.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.{Parts, Program, Question}
  alias Hotpush.Test.{Device, Run, Workbench}
  doctest Parts
  doctest Program

  # Enough modules for several groups of 16 to 31.
  defp source(changed \\ %{}) do
    Enum.map_join(1..200, "\n", fn n ->
      "defmodule Desk.Parts#{n} do\n  def v, do: #{Map.get(changed, n, 0)}\nend"
    end)
  end

  test "a device says again only what differs, and what another host did meanwhile" do
    bench = Workbench.new(:desk, source())
    # Another host, which remembers nothing of this one's visits.
    other = %{bench | state_dir: Run.dir("other_host")}
    device = Workbench.device(bench)

    first = Workbench.push(bench, device)
    again = Workbench.push(bench, device)
    assert {first.loaded, again.loaded, again.round_trips} == {[], [], 1}
    assert first.received > 4_000
    assert again.received < 800

    Workbench.write(bench, source(%{7 => 1}))
    pushed = Workbench.push(bench, device)
    assert {pushed.loaded, pushed.round_trips} == {["Elixir.Desk.Parts7"], 2}
    # What is said of the module's group, and of what was done.
    after_push = Workbench.push(bench, device)
    assert after_push.received in 500..1_500
    assert after_push.round_trips == 1

    Workbench.write(bench, source(%{7 => 1, 150 => 1}))
    assert %{loaded: ["Elixir.Desk.Parts150"]} = Workbench.push(other, device)
    Workbench.write(bench, source(%{7 => 1, 150 => 0}))
    assert %{loaded: ["Elixir.Desk.Parts150"]} = Workbench.push(bench, device)
    assert Device.call(device, Desk.Parts150, :v, []) == 0

    # Its firmware again, as before all of this.
    device = Device.restart(device)
    assert %{loaded: ["Elixir.Desk.Parts7"]} = Workbench.push(bench, device)
    assert Device.call(device, Desk.Parts7, :v, []) == 1
    assert Workbench.push(bench, device).round_trips == 1
  end

  # Each push brings it; bench/README.md says how much all of it may be.
  test "the question does not grow unseen" do
    {:erl_eval, :expr, [_, [B: _, P: text], _, _, _]} = Question.ask([], [], [], [], "", 7)
    assert byte_size(text) <= 3_000
  end
end
