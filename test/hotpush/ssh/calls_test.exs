defmodule Hotpush.Transport.Ssh.CallsTest do
  use ExUnit.Case, async: true

  alias Hotpush.Transport.Ssh.Calls

  test "a call has one answer, and one that is started has many, in order" do
    calls = Calls.new() |> Calls.open(1, :call) |> Calls.open(2, :start)
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

  test "what nobody asked for, or not so much of, is refused" do
    calls = Calls.open(Calls.new(), 2, :start)
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
    calls = Calls.open(Calls.new(), 2, :start)

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
end
