defmodule Hotpush.Push.Engine do
  @moduledoc """
  Does the same work for many targets, side by side. Pushes, the list of devices and lasting
  connections all run on it.

  Targets are prepared one after the other, and then each has a process of its own. If the work for one
  target fails, crashes or hangs, the others are not affected. Targets may join while others are being
  worked for. Everything ends with the process that started it.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Push.Engine.Collector

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

    engine = %{engine | task: Task.async(fn -> Collector.run(engine) end)}
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

  defp now, do: System.monotonic_time(:millisecond)
end
