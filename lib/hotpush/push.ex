defmodule Hotpush.Push do
  @moduledoc "Visits all targets side by side, with a bound. One that fails costs only itself."

  alias Hotpush.Discovery.Names
  alias Hotpush.{Apart, Error, Fault, Outcome, Target, Visit}

  @at_once 32
  @search_ms 2_000

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

  defp all(visit, targets) do
    # Names under .local that only mDNS knows. (ssh has ways of its own to know them.)
    nodes = Enum.filter(targets, & &1.node)
    Names.lend(Names.hosts(nodes), min(visit.config.timeout, @search_ms))

    try do
      # A transport prepares one after the other: all visits share this VM's one node.
      prepared = Enum.map(targets, &{&1, prepare(&1)})

      # A visit keeps to its own deadline; this one is for what hangs in spite of it.
      last_resort = visit.config.timeout + 10_000
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
    after
      targets |> Enum.map(& &1.transport) |> Enum.uniq() |> Enum.each(& &1.finish())
      Names.give_back()
    end
  end

  defp prepare(target) do
    with {:ok, prepared} <- Apart.caught(target.name, fn -> Target.prepare(target) end),
         do: prepared
  end

  defp visit(visit, {_asked, {:ok, target}}),
    do: Apart.caught(target.name, fn -> Visit.run(visit, target) end)

  defp visit(_visit, {_target, {:error, error}}), do: {:error, error}

  defp failed(target, stage, reason), do: failed(target, Error.new(stage, target.name, reason))
  defp failed(target, error), do: Outcome.failed(%Outcome{target: target}, error)
end
