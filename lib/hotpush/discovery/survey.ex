defmodule Hotpush.Discovery.Survey do
  @moduledoc """
  Asks devices what they run, all at once, until a point in time: whoever has not answered by then
  has not answered. What hangs is ended, wherever it hangs. Devices may join while others are asked.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Push.Visit
  alias Hotpush.Report.Result

  defstruct [:visit, :tag, :deadline, :preparer, :task] ++
              [closed?: false, targets: %{}, workers: [], outcomes: %{}]

  @opaque t :: %__MODULE__{}

  # A visit ends this much before us, so that what it has to say is heard.
  @spare_ms 50

  @doc "An outcome per target, in their order, within `timeout` ms. See `start/3`."
  @spec ask(Visit.t(), [Target.t()], pos_integer()) :: [Result.t()]
  def ask(visit, targets, timeout), do: visit |> start(targets, timeout) |> outcomes()

  @doc """
  Begins to ask. All of it ends after `timeout` ms; told of, where that was too short, is the
  timeout of the visit's config. The visits are those of a dry run.

  Whoever starts it has to take its `outcomes/1`.
  """
  @spec start(Visit.t(), [Target.t()], pos_integer()) :: t()
  def start(%Visit{} = visit, targets, timeout) do
    visit = %{visit | config: %{visit.config | dry_run?: true, json: nil}}
    survey = %__MODULE__{visit: visit, tag: make_ref(), deadline: now() + timeout}
    survey = %{survey | task: Task.async(fn -> run(survey) end)}
    add(survey, targets)
    survey
  end

  @doc "Asks further devices, in the time that is left."
  @spec add(t(), [Target.t()]) :: :ok
  def add(%__MODULE__{} = survey, targets), do: tell(survey, {:add, targets})

  @doc "An outcome per target, in the order in which they joined."
  @spec outcomes(t()) :: [Result.t()]
  def outcomes(%__MODULE__{} = survey) do
    tell(survey, :no_more)
    Task.await(survey.task, :infinity)
  end

  defp tell(survey, message) do
    send(survey.task.pid, {survey.tag, message})
    :ok
  end

  defp run(survey) do
    survey = work(survey, &prepare(survey.tag, &1, []))
    survey = collect(%{survey | preparer: hd(survey.workers)})
    Enum.each(survey.workers, &kill/1)
    survey = close(survey)
    survey.targets |> Enum.map(&elem(&1, 1).transport) |> Enum.uniq() |> Enum.each(& &1.finish())

    for index <- 0..(map_size(survey.targets) - 1)//1 do
      (survey.outcomes[index] || failed(survey, index, {:timeout, 0})) |> tell_of(survey)
    end
  end

  # One after the other, and each is visited as soon as it can be. What a transport prepares may
  # belong to the process that asked for it, so this one stays.
  defp prepare(tag, collector, waiting) do
    receive do
      {^tag, :prepare, more} ->
        prepare(tag, collector, Enum.sort_by(waiting ++ more, &adb?(elem(&1, 1))))
    after
      if(waiting == [], do: :infinity, else: 0) ->
        [{index, target} | waiting] = waiting
        send(collector, {tag, index, {:prepared, Target.prepare(target)}})
        prepare(tag, collector, waiting)
    end
  end

  # Its server may be slow to start, and others need not wait for that.
  defp adb?(%{way: {:adb, _, _}}), do: true
  defp adb?(_target), do: false

  defp collect(%{closed?: true, outcomes: outcomes, targets: targets} = survey)
       when map_size(outcomes) == map_size(targets),
       do: survey

  defp collect(%{tag: tag} = survey) do
    receive do
      {^tag, {:add, targets}} ->
        {survey, added} = put(survey, targets)
        send(survey.preparer, {tag, :prepare, added})
        collect(survey)

      {^tag, :no_more} ->
        collect(%{survey | closed?: true})

      {^tag, index, {:prepared, {:ok, target}}} ->
        survey |> work(&visit(survey, index, target, &1)) |> collect()

      {^tag, index, {:prepared, {:error, error}}} ->
        outcome = Result.failed(%Result{target: survey.targets[index]}, error)
        collect(put_in(survey.outcomes[index], outcome))

      {^tag, index, {:asked, outcome}} ->
        collect(put_in(survey.outcomes[index], outcome))
    after
      max(survey.deadline - now(), 0) -> survey
    end
  end

  # The time is over, and who joins now comes too late.
  defp close(%{closed?: true} = survey), do: survey

  defp close(%{tag: tag} = survey) do
    receive do
      {^tag, {:add, targets}} -> survey |> put(targets) |> elem(0) |> close()
      {^tag, :no_more} -> survey
    end
  end

  defp put(survey, targets) do
    added = Enum.with_index(targets, fn target, at -> {map_size(survey.targets) + at, target} end)
    {%{survey | targets: Map.merge(survey.targets, Map.new(added))}, added}
  end

  # Its time is what is left of ours.
  defp visit(survey, index, target, collector) do
    left = survey.deadline - now()
    config = %{survey.visit.config | timeout: max(left - min(@spare_ms, div(left, 4)), 1)}

    outcome =
      try do
        Visit.run(%{survey.visit | config: config}, target)
      rescue
        error -> failed(survey, index, {:raised, Exception.message(error)})
      catch
        kind, reason -> failed(survey, index, {:raised, Exception.format_banner(kind, reason)})
      end

    send(collector, {survey.tag, index, {:asked, outcome}})
  end

  defp failed(survey, index, reason) do
    target = survey.targets[index]
    stage = if match?({:raised, _}, reason), do: :ask, else: :connect
    Result.failed(%Result{target: target}, Error.new(stage, target.name, reason))
  end

  # What somebody can do something about is the time that he gave, not what was left of it.
  defp tell_of(outcome, survey) do
    timeout = survey.visit.config.timeout

    failures =
      for error <- outcome.failures do
        if match?({:timeout, _}, error.reason),
          do: %{error | reason: {:timeout, timeout}},
          else: error
      end

    %{outcome | failures: failures}
  end

  # It ends with us, and what becomes of it is no concern of ours.
  defp work(survey, fun) do
    collector = self()
    worker = spawn(fn -> fun.(collector) end)

    spawn(fn ->
      of_collector = Process.monitor(collector)
      of_worker = Process.monitor(worker)

      receive do
        {:DOWN, ^of_collector, _, _, _} -> Process.exit(worker, :kill)
        {:DOWN, ^of_worker, _, _, _} -> :ok
      end
    end)

    %{survey | workers: [worker | survey.workers]}
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
