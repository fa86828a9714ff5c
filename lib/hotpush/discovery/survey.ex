defmodule Hotpush.Discovery.Survey do
  @moduledoc """
  Asks devices what they run, all at once, until a point in time: whoever has not answered by then
  has not answered. What hangs is ended, wherever it hangs.
  """

  alias Hotpush.{Error, Outcome, Target, Visit}

  defstruct [:visit, :targets, :tag, :deadline, :timeout, workers: [], outcomes: %{}]

  @doc """
  An outcome per target, in their order, within `timeout` ms. The visits are those of a dry run.
  """
  @spec ask(Visit.t(), [Target.t()], pos_integer()) :: [Outcome.t()]
  def ask(%Visit{} = visit, targets, timeout) do
    survey = %__MODULE__{
      visit: %{visit | config: %{visit.config | dry_run?: true, json: nil}},
      targets: targets |> Enum.with_index() |> Map.new(fn {target, index} -> {index, target} end),
      tag: make_ref(),
      deadline: now() + timeout,
      timeout: timeout
    }

    # What a transport prepares may belong to the process that asked for it, so this one stays.
    survey = work(survey, &prepare(survey, &1))
    survey = collect(survey)
    Enum.each(survey.workers, &kill/1)
    flush(survey.tag)
    targets |> Enum.map(& &1.transport) |> Enum.uniq() |> Enum.each(& &1.finish())

    for index <- 0..(length(targets) - 1)//1 do
      survey.outcomes[index] || failed(survey, index, {:timeout, timeout})
    end
  end

  # One after the other, and each is visited as soon as it can be.
  defp prepare(survey, caller) do
    for {index, target} <- Enum.sort_by(survey.targets, fn {_, target} -> adb?(target) end) do
      send(caller, {survey.tag, index, {:prepared, Target.prepare(target)}})
    end

    Process.sleep(:infinity)
  end

  # Its server may be slow to start, and others need not wait for that.
  defp adb?(%{way: {:adb, _, _}}), do: true
  defp adb?(_target), do: false

  defp collect(survey) when map_size(survey.outcomes) == map_size(survey.targets), do: survey

  defp collect(%{tag: tag} = survey) do
    receive do
      {^tag, index, {:prepared, {:ok, target}}} ->
        survey |> work(&visit(survey, index, target, &1)) |> collect()

      {^tag, index, {:prepared, {:error, error}}} ->
        outcome = Outcome.failed(%Outcome{target: survey.targets[index]}, error)
        collect(put_in(survey.outcomes[index], outcome))

      {^tag, index, {:asked, outcome}} ->
        collect(put_in(survey.outcomes[index], outcome))
    after
      max(survey.deadline - now(), 0) -> survey
    end
  end

  # Its time is what is left of ours.
  defp visit(survey, index, target, caller) do
    config = %{survey.visit.config | timeout: max(survey.deadline - now(), 1)}
    visit = %{survey.visit | config: config}

    outcome =
      try do
        Visit.run(visit, target)
      rescue
        error -> failed(survey, index, {:raised, Exception.message(error)})
      catch
        kind, reason -> failed(survey, index, {:raised, Exception.format_banner(kind, reason)})
      end

    send(caller, {survey.tag, index, {:asked, outcome}})
  end

  defp failed(survey, index, reason) do
    target = survey.targets[index]
    stage = if match?({:raised, _}, reason), do: :ask, else: :connect
    Outcome.failed(%Outcome{target: target}, Error.new(stage, target.name, reason))
  end

  # It ends with us, and what becomes of it is no concern of ours.
  defp work(survey, fun) do
    caller = self()
    worker = spawn(fn -> fun.(caller) end)

    spawn(fn ->
      of_caller = Process.monitor(caller)
      of_worker = Process.monitor(worker)

      receive do
        {:DOWN, ^of_caller, _, _, _} -> Process.exit(worker, :kill)
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

  defp flush(tag) do
    receive do
      {^tag, _, _} -> flush(tag)
    after
      0 -> :ok
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
