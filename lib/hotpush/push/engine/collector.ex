defmodule Hotpush.Push.Engine.Collector do
  @moduledoc """
  The process of `Hotpush.Push.Engine` that starts the work for each target, ends what takes too long, and
  collects the results.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Error.Fault
  alias Hotpush.Push.{Engine, Isolation}
  alias Hotpush.Push.Engine.{Barrier, Preparer}

  @doc "Works for all targets, in the caller's process. Returns a result for each, in their order."
  @spec run(Engine.t()) :: [{Target.t(), Engine.result()}]
  def run(engine) do
    preparer = Preparer.start(engine.tag)
    engine = collect(limits(%{engine | preparer: preparer}))
    for {pid, _} <- [preparer | Map.values(engine.running)], do: Isolation.kill(pid)
    engine = close(engine)
    engine.targets |> Enum.map(&elem(&1, 1).transport) |> Enum.uniq() |> Enum.each(& &1.finish())

    for index <- 0..(map_size(engine.targets) - 1)//1,
        do: {engine.targets[index], Map.get(engine.results, index, :late)}
  end

  # There is no limit until it starts to count.
  defp limits(%{limit_from: nil} = engine), do: engine

  defp limits(%{tag: tag, limit_from: from, limit: limit} = engine) do
    collector = self()

    Isolation.spawn(fn ->
      from.()
      send(collector, {tag, {:limits, limit}})
    end)

    %{engine | limit: nil}
  end

  defp collect(%{closed?: true, results: results, targets: targets} = engine)
       when map_size(results) == map_size(targets),
       do: engine

  defp collect(%{tag: tag} = engine) do
    receive do
      {^tag, {:add, targets}} ->
        {engine, added} = put(engine, targets)
        Preparer.add(engine.preparer, tag, added)
        collect(engine)

      {^tag, :no_more} ->
        %{engine | closed?: true} |> Barrier.look() |> collect()

      {^tag, {:reached, phase, index, waiting}} ->
        engine |> Barrier.reached(phase, index, waiting) |> collect()

      {^tag, {:open, phase}} ->
        engine |> Barrier.open(phase) |> collect()

      {^tag, {:prepared, index, prepared}} ->
        %{engine | waiting: engine.waiting ++ [{index, prepared}]} |> fill() |> collect()

      {^tag, {:done, index, result}} ->
        engine |> done(index, result) |> collect()

      {^tag, {:limit, index}} when is_map_key(engine.running, index) ->
        Isolation.kill(elem(engine.running[index], 0))
        engine |> done(index, :late) |> collect()

      {^tag, {:limit, _index}} ->
        collect(engine)

      {^tag, {:limits, limit}} ->
        engine = %{engine | limit: limit}
        for {index, _worker} <- engine.running, do: limit(engine, index)
        collect(engine)

      {:DOWN, monitor, :process, _pid, reason} ->
        engine |> ended(monitor, reason) |> collect()
    after
      left(engine.deadline) -> engine
    end
  end

  # The time is over, so a target that joins now is too late.
  defp close(%{closed?: true} = engine), do: engine

  defp close(%{tag: tag} = engine) do
    receive do
      {^tag, {:add, targets}} -> engine |> put(targets) |> elem(0) |> close()
      {^tag, :no_more} -> engine
    end
  end

  defp put(engine, targets) do
    added = Enum.with_index(targets, fn target, at -> {map_size(engine.targets) + at, target} end)
    {%{engine | targets: Map.merge(engine.targets, Map.new(added))}, added}
  end

  defp fill(%{waiting: [{index, prepared} | waiting]} = engine)
       when map_size(engine.running) < engine.at_once do
    collector = self()
    target = engine.targets[index]

    # Copy only what the process needs, not the engine, which has all results so far.
    %{work: work, tag: tag} = engine
    reach = Barrier.reach(engine, collector, index)

    worker =
      Isolation.spawn(fn ->
        result = Isolation.caught(target.name, fn -> work.(target, prepared, reach) end)
        send(collector, {tag, {:done, index, result}})
      end)

    limit(engine, index)
    fill(%{engine | waiting: waiting, running: Map.put(engine.running, index, worker)})
  end

  defp fill(engine), do: engine

  defp limit(%{limit: nil}, _index), do: :ok

  defp limit(engine, index),
    do: Process.send_after(self(), {engine.tag, {:limit, index}}, engine.limit)

  defp done(engine, index, result) do
    with {_pid, monitor} <- engine.running[index], do: Process.demonitor(monitor, [:flush])
    results = Map.put_new(engine.results, index, result)
    engine = %{engine | running: Map.delete(engine.running, index), results: results}
    engine |> Barrier.look() |> fill()
  end

  # A process that it was linked to has crashed.
  defp ended(engine, monitor, reason) do
    case Enum.find(engine.running, fn {_index, {_pid, of}} -> of == monitor end) do
      {index, _} ->
        error = Fault.error(engine.targets[index].name, :exit, reason, [])
        done(engine, index, {:error, error})

      nil ->
        engine
    end
  end

  defp left(nil), do: :infinity
  defp left(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
