defmodule Hotpush.Transport.Ssh.CallsTest do
  @moduledoc """
  The calls of a session over ssh. Without these tests, an answer could reach the wrong call, or be kept
  for ever.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Transport.Ssh.Calls

  test "a call has one answer; a conversation has many, in order" do
    calls = Calls.new() |> Calls.open(1, :call, nil) |> Calls.open(2, :start, nil)
    assert {:ok, calls, []} = Calls.answered(calls, :ready, "hello")
    assert {:ok, calls, []} = Calls.answered(calls, 1, "one")
    assert Calls.answered(calls, 1, "more") == :error
    assert {:ok, "one", calls} = Calls.take(calls, 1)
    assert Calls.take(calls, 1) == :none
    assert Calls.answered(calls, 1, "late") == :error
    assert {:ok, calls, []} = Calls.answered(calls, 2, "a")
    assert {:ok, calls, []} = Calls.answered(calls, 2, "b")
    assert {:ok, "a", calls} = Calls.take(calls, 2)
    assert {:ok, "b", _} = Calls.take(calls, 2)
  end

  test "an answer that nobody asked for, or too many of them, are rejected" do
    calls = Calls.open(Calls.new(), 2, :start, nil)
    for id <- [7, :other, "2", {2}], do: assert(Calls.answered(calls, id, "x") == :error)

    full =
      Enum.reduce(1..1_000, calls, fn n, calls ->
        {:ok, calls, []} = Calls.answered(calls, 2, n)
        calls
      end)

    assert Calls.answered(full, 2, "one too many") == :error
    assert {:ok, 1, full} = Calls.take(full, 2)
    assert {:ok, _, []} = Calls.answered(full, 2, "room again")
  end

  test "a message waits while sixteen are under way without an answer" do
    calls = Calls.open(Calls.new(), 2, :start, nil)

    calls =
      Enum.reduce(1..16, calls, fn n, calls ->
        {:now, calls} = Calls.message(calls, 2, n)
        calls
      end)

    assert {:later, calls} = Calls.message(calls, 2, "17th")
    assert {:later, calls} = Calls.message(calls, 2, "18th")
    assert {:ok, calls, ["17th"]} = Calls.answered(calls, 2, :staged)
    assert {:ok, calls, ["18th"]} = Calls.answered(calls, 2, :staged)
    assert {:ok, calls, []} = Calls.answered(calls, 2, :staged)
    assert {:now, _} = Calls.message(calls, 2, "19th")
  end

  test "an answered call is forgotten" do
    {:ok, calls, []} = Calls.answered(Calls.new(), :ready, "hello")
    {:ok, "hello", calls} = Calls.take(calls, :ready)

    for id <- 1..10_000, reduce: calls do
      calls ->
        {:ok, calls, []} = calls |> Calls.open(id, :call, self()) |> Calls.answered(id, id)
        assert {:ok, ^id, calls} = Calls.take(calls, id)
        assert calls == %{}
        assert {:over, ^calls} = Calls.give_up(calls, id)
        calls
    end
  end

  test "a call that was given up is forgotten when the device confirms it; its answers are dropped" do
    calls = Calls.open(%{}, 1, :call, self())
    assert {:tell, calls} = Calls.give_up(calls, 1)
    assert Calls.owners(calls) == []
    assert {:ok, ^calls, []} = Calls.answered(calls, 1, "late")
    assert Calls.take(calls, 1) == :none
    assert {:over, ^calls} = Calls.give_up(calls, 1)
    assert {:ok, %{}} = Calls.stopped(calls, 1)
    assert {:ok, calls} = Calls.stopped(calls, 1)
    assert calls == %{}
    for id <- [1, 2, :ready], do: assert(Calls.stopped(calls, id) == :error)

    # A conversation may have many answers, and its waiting messages are no longer sent.
    calls = Calls.open(%{}, 2, :start, self())
    calls = Enum.reduce(1..20, calls, fn n, calls -> elem(Calls.message(calls, 2, n), 1) end)
    assert Calls.owners(calls) == [{2, self()}]
    assert {:tell, calls} = Calls.give_up(calls, 2)
    for _ <- 1..3, do: assert({:ok, ^calls, []} = Calls.answered(calls, 2, :staged))
    assert {:gone, ^calls} = Calls.message(calls, 2, "more")
    assert {:ok, calls} = Calls.stopped(calls, 2)
    assert {calls, Calls.answered(calls, 2, :staged)} == {%{}, :error}

    # A call whose answer came at the same moment.
    {:ok, calls, []} = %{} |> Calls.open(3, :call, self()) |> Calls.answered(3, "in time")
    assert {:over, %{} = none} = Calls.give_up(calls, 3)
    assert none == %{}
  end
end
