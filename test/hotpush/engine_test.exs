defmodule Hotpush.EngineTest do
  @moduledoc """
  What many devices cost this computer. Without this test, each visit could start with a copy of all
  earlier results, so that 100 devices take a gigabyte.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Config.Target
  alias Hotpush.Push.Engine

  defmodule Nothing do
    @moduledoc "A transport that has nothing to prepare and nothing to undo."
    def prepare(target), do: {:ok, target}
    def finish, do: :ok
  end

  test "the work for a target starts without the results of others" do
    targets = for n <- 1..20, do: %Target{name: "device #{n}", transport: Nothing}

    work = fn _target, {:ok, _prepared}, _reach ->
      {:total_heap_size, words} = Process.info(self(), :total_heap_size)
      {words, Enum.to_list(1..50_000)}
    end

    results = Engine.run(targets, work, at_once: 1)
    assert length(results) == 20
    for {_target, {:ok, {words, _list}}} <- results, do: assert(words < 50_000)
  end
end
