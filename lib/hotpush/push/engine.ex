defmodule Hotpush.Push.Engine do
  @moduledoc """
  Does the same work for many targets, side by side. Pushes, the list of devices and lasting
  connections all run on it.

  Targets are prepared one after the other, and then each has a process of its own. If the work for one
  target fails, crashes or hangs, the others are not affected. Targets may join while others are being
  worked for. Everything ends with the process that started it.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Error.Fault
  alias Hotpush.Push.Engine.Barrier
  alias Hotpush.Push.Isolation
  alias Hotpush.Transport.Targets

  @at_once 32

  defstruct [:work, :tag, :task, :deadline, :limit, :limit_from, :at_once, :preparer] ++
              [closed?: false, targets: %{}, waiting: [], running: %{}, results: %{}] ++
              [barriers: %{}, barrier_ms: nil]

  @opaque t :: %__MODULE__{}

  @typedoc """
  The work for a target. It gets the target as it was asked for, the result of preparing it, and a
  function to call with the name of each phase before that phase.
  """
  @type work :: (Target.t(), {:ok, Target.t()} | {:error, Hotpush.Error.t()}, reach() -> term())

  @typedoc """
  Waits at a barrier, if there is one before this phase, until each target has reached it or has a
  result. Returns `:all` if every target has reached it, otherwise `:some`.
  """
  @type reach :: (phase :: atom() -> :all | :some)

  @typedoc "What the work returned, why it crashed, or `:late` if its time was over."
  @type result :: {:ok, term()} | {:error, Hotpush.Error.t()} | :late

  @doc "A result for each target, in their order. Options: see `start/3`."
  @spec run([Target.t()], work(), keyword()) :: [{Target.t(), result()}]
  def run(targets, work, options), do: targets |> start(work, options) |> results()

  @doc """
  Starts the work. Options:

    * `:at_once` - how many targets are worked for at the same time (#{@at_once}), or `:infinity`
    * `:barriers` - the phases before which the targets wait for each other (none). All targets are
      then worked for at the same time, whatever `:at_once` says
    * `:barrier_ms` - how long the first target waits at a barrier, in ms; after that, no target waits
      there (no limit)
    * `:limit` - how long the work for one target may take, in ms (no limit)
    * `:limit_from` - a function that returns when that time starts to count (from the start)
    * `:deadline` - how long everything may take, in ms (no limit)

  The caller must take the `results/1`.
  """
  @spec start([Target.t()], work(), keyword()) :: t()
  def start(targets, work, options) do
    engine = %__MODULE__{
      work: work,
      tag: make_ref(),
      at_once: at_once(options),
      barriers: Map.new(options[:barriers] || [], &{&1, %{}}),
      barrier_ms: options[:barrier_ms],
      limit: options[:limit],
      limit_from: options[:limit_from],
      deadline: options[:deadline] && now() + options[:deadline]
    }

    engine = %{engine | task: Task.async(fn -> collect_all(engine) end)}
    add(engine, targets)
    engine
  end

  # A target that waits must not keep others from reaching the barrier.
  defp at_once(options) do
    if options[:barriers] in [nil, []],
      do: Keyword.get(options, :at_once, @at_once),
      else: :infinity
  end

  @doc "Adds targets. They have the time that is left."
  @spec add(t(), [Target.t()]) :: :ok
  def add(%__MODULE__{} = engine, targets), do: tell(engine, {:add, targets})

  @doc "Waits for a result for each target, in the order in which they joined."
  @spec results(t()) :: [{Target.t(), result()}]
  def results(%__MODULE__{} = engine) do
    tell(engine, :no_more)
    Task.await(engine.task, :infinity)
  end

  defp tell(engine, message) do
    send(engine.task.pid, {engine.tag, message})
    :ok
  end

  defp collect_all(engine) do
    collector = self()
    tag = engine.tag
    preparer = Isolation.spawn(fn -> prepare(tag, collector, []) end)
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

  # What a transport prepares may belong to the process that asked for it, so this process stays. The adb
  # server may be slow to start, but the other targets do not wait for it.
  defp prepare(tag, collector, waiting) do
    receive do
      {^tag, :prepare, more} ->
        prepare(tag, collector, Enum.sort_by(waiting ++ more, &adb?(elem(&1, 1))))
    after
      if(waiting == [], do: :infinity, else: 0) ->
        [{index, target} | waiting] = waiting
        send(collector, {tag, {:prepared, index, prepare(target)}})
        prepare(tag, collector, waiting)
    end
  end

  defp adb?(%{way: {:adb, _, _}}), do: true
  defp adb?(_target), do: false

  @doc "Prepares one target: sets up what its transport needs to reach it."
  @spec prepare(Target.t()) :: {:ok, Target.t()} | {:error, Hotpush.Error.t()}
  def prepare(target) do
    with {:ok, prepared} <- Isolation.caught(target.name, fn -> Targets.prepare(target) end),
         do: prepared
  end

  defp collect(%{closed?: true, results: results, targets: targets} = engine)
       when map_size(results) == map_size(targets),
       do: engine

  defp collect(%{tag: tag} = engine) do
    receive do
      {^tag, {:add, targets}} ->
        {engine, added} = put(engine, targets)
        send(elem(engine.preparer, 0), {tag, :prepare, added})
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
