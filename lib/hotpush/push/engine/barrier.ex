defmodule Hotpush.Push.Engine.Barrier do
  @moduledoc """
  Barriers between the phases of `Hotpush.Push.Engine`. With a barrier before a phase, no target begins
  that phase until all have reached it. A target that already has a result, good or bad, is not waited
  for.
  """

  @typedoc "The fields of the engine that a barrier needs."
  @type engine :: %{
          optional(atom()) => term(),
          tag: reference(),
          barriers: %{atom() => :open | map()},
          barrier_ms: pos_integer() | nil,
          closed?: boolean(),
          targets: map(),
          results: map()
        }

  @doc """
  The function with which the target at `index` waits at the barrier before a phase, if there is one. It
  holds no more of the engine than it needs.
  """
  @spec reach(engine(), pid(), non_neg_integer()) :: (atom() -> :all | :some)
  def reach(%{tag: tag, barriers: barriers}, collector, index) do
    phases = Map.keys(barriers)
    &if(&1 in phases, do: wait(tag, collector, index, &1), else: :all)
  end

  defp wait(tag, collector, index, phase) do
    opened = make_ref()
    send(collector, {tag, {:reached, phase, index, {self(), opened}}})

    receive do
      {^opened, who} -> who
    end
  end

  @doc "A target has reached the barrier."
  @spec reached(engine(), atom(), non_neg_integer(), {pid(), reference()}) :: engine()
  def reached(%{barriers: barriers} = engine, phase, index, waiting) do
    case barriers[phase] do
      :open ->
        release([waiting], :some)
        engine

      there ->
        if there == %{} and engine.barrier_ms,
          do: Process.send_after(self(), {engine.tag, {:open, phase}}, engine.barrier_ms)

        look(%{engine | barriers: %{barriers | phase => Map.put(there, index, waiting)}})
    end
  end

  @doc "Opens each barrier that all targets have reached."
  @spec look(engine()) :: engine()
  def look(engine) do
    for {phase, there} when there not in [:open, %{}] <- engine.barriers,
        engine.closed? and there?(engine, there),
        reduce: engine,
        do: (engine -> open(engine, phase))
  end

  defp there?(%{targets: targets, results: results}, there) do
    Enum.all?(targets, fn {index, _} ->
      is_map_key(there, index) or is_map_key(results, index)
    end)
  end

  @doc "Opens a barrier, also for targets that come later."
  @spec open(engine(), atom()) :: engine()
  def open(%{barriers: barriers} = engine, phase) do
    case barriers[phase] do
      :open ->
        engine

      there ->
        all? = engine.closed? and map_size(there) == map_size(engine.targets)
        there |> Map.values() |> release(if all?, do: :all, else: :some)
        %{engine | barriers: %{barriers | phase => :open}}
    end
  end

  defp release(waiting, who), do: for({pid, opened} <- waiting, do: send(pid, {opened, who}))
end
