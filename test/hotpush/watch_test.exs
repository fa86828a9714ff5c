defmodule Hotpush.WatchingTest do
  @moduledoc """
  What a watch decides. Without this, a checkout would be many pushes, and a device that is off would
  fill the terminal.
  """
  use ExUnit.Case, async: true

  doctest Hotpush.Watch.Gathering

  alias Hotpush.{Config, Error, Report}
  alias Hotpush.Config.Target
  alias Hotpush.Report.{Reload, Result}
  alias Hotpush.Watch.{Away, Events}
  alias Hotpush.Test.Run

  defp result(name, fields) do
    {:ok, target} = Target.node("#{name}@127.0.0.1")
    struct!(%Result{target: %{target | name: name}, status: :done, checked: 9}, fields)
  end

  defp off(name) do
    error = Error.new(:connect, name, {:timeout, 300})
    result(name, status: :failed, failures: [error])
  end

  defp report(results), do: Report.new(%Config{}, results, %{compile: 52.0, total: 73.0})

  test "who is away is said once, and so is who is back" do
    {away, told, []} = Away.seen(MapSet.new(), report([off("porch"), result("desk", [])]))
    assert Enum.map(told.outcomes, & &1.target.name) == ["porch", "desk"]
    {away, told, []} = Away.seen(away, report([off("porch"), off("desk")]))
    assert Enum.map(told.outcomes, & &1.target.name) == ["desk"]
    targets = for result <- [off("porch"), off("hall")], do: result.target
    assert {[%{name: "hall"}], [%{name: "porch"}]} = Away.split(targets, away)
    {away, told, ["porch"]} = Away.seen(away, report([result("porch", [])]))
    assert {MapSet.to_list(away), length(told.outcomes)} == {["desk"], 1}
  end

  test "a reload is a line for all devices that took it alike" do
    results = [
      result("porch", loaded: ["A"]),
      result("hall", loaded: ["A"]),
      result("desk", added: ["A", "B"], deleted: ["C"]),
      result("attic", [])
    ]

    assert Enum.sort(Reload.of(report(results), 84.2)) == [
             good: "reloaded 1 of 9 modules on porch, hall in 84 ms (compile 52 ms, push 21 ms)",
             good:
               "reloaded 2, removed 1 of 9 modules on desk in 84 ms (compile 52 ms, push 21 ms)"
           ]

    assert [error: "failed: " <> _] = Reload.of(report([off("porch")]), 1.0)
    assert Reload.of(report([result("porch", [])]), 1.0) == []
  end

  test "each change is told, until it is stopped" do
    dir = Run.dir("events")
    {:ok, events} = Events.start_link([dir], [Path.join(dir, "../mix.exs")])
    assert Events.how(events) == :system

    for name <- ["a.ex", "b.ex"] do
      File.write!(Path.join(dir, name), "1")
      assert_receive {:changed, ^events}, 20_000
    end

    Events.stop(events)
    refute Process.alive?(events)
  end
end
