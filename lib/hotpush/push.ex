defmodule Hotpush.Push do
  @moduledoc "Visits all targets side by side, with a bound. One that fails costs only itself."

  alias Hotpush.Discovery.Names
  alias Hotpush.{Apart, Error, Fault, Outcome, Reach, Recovery, Target, Visit}

  @at_once 32

  @doc "An outcome per target, in the order of the targets."
  @spec run(Visit.t(), [Target.t()]) :: [Outcome.t()]
  def run(%Visit{} = visit, targets) do
    case Apart.run(nil, fn -> all(visit, targets) end) do
      {:ok, outcomes} -> outcomes
      {:error, error} -> Enum.map(targets, &failed(&1, %{error | subject: &1.name}))
    end
  after
    # What was found before the visits, to make them.
    Names.give_back()
  end

  defp all(visit, targets),
    do: Reach.prepared(targets, visit.config.timeout, &visits(visit, targets, &1))

  defp visits(visit, targets, prepared) do
    # A visit keeps to its own deadlines; this one is for what hangs in spite of them.
    timeout = visit.config.timeout
    last_resort = timeout + Recovery.grace(timeout) + 10_000
    options = [max_concurrency: @at_once, timeout: last_resort, on_timeout: :kill_task]

    prepared
    |> Task.async_stream(&visit(visit, &1), options)
    |> Enum.zip(targets)
    |> Enum.map(fn
      {{:ok, {:ok, outcome}}, _} -> outcome
      {{:ok, {:error, error}}, target} -> failed(target, error)
      {{:exit, :timeout}, target} -> failed(target, :connect, {:timeout, visit.config.timeout})
      {{:exit, reason}, target} -> failed(target, Fault.error(target.name, :exit, reason, []))
    end)
  end

  defp visit(visit, {_asked, {:ok, target}}),
    do: Apart.caught(target.name, fn -> Visit.run(visit, target) end)

  defp visit(_visit, {_target, {:error, error}}), do: {:error, error}

  defp failed(target, stage, reason), do: failed(target, Error.new(stage, target.name, reason))
  defp failed(target, error), do: Outcome.failed(%Outcome{target: target}, error)
end
