defmodule Hotpush.Push do
  @moduledoc "Visits all targets side by side, with a bound. One that fails costs only itself."

  alias Hotpush.Discovery.Names
  alias Hotpush.{Error, Outcome, Target, Visit}

  @at_once 32
  @search_ms 2_000

  @doc "An outcome per target, in the order of the targets."
  @spec run(Visit.t(), [Target.t()]) :: [Outcome.t()]
  def run(%Visit{} = visit, targets) do
    # Names under .local that only mDNS knows. (ssh has ways of its own to know them.)
    nodes = Enum.filter(targets, & &1.node)
    Names.lend(Names.hosts(nodes), min(visit.config.timeout, @search_ms))
    transports = targets |> Enum.map(& &1.transport) |> Enum.uniq()

    try do
      # A transport prepares one after the other: all visits share this VM's one node.
      prepared = Enum.map(targets, &{&1, Target.prepare(&1)})

      # A visit keeps to its own deadline; this one is for what hangs in spite of it.
      last_resort = visit.config.timeout + 10_000
      options = [max_concurrency: @at_once, timeout: last_resort, on_timeout: :kill_task]

      prepared
      |> Task.async_stream(&visit(visit, &1), options)
      |> Enum.zip(targets)
      |> Enum.map(fn
        {{:ok, outcome}, _target} -> outcome
        {{:exit, :timeout}, target} -> hung(target, visit.config.timeout)
      end)
    after
      Enum.each(transports, & &1.finish())
      Names.give_back()
    end
  end

  defp visit(visit, {_asked, {:ok, target}}), do: Visit.run(visit, target)

  defp visit(_visit, {target, {:error, error}}),
    do: Outcome.failed(%Outcome{target: target}, error)

  defp hung(target, timeout) do
    Outcome.failed(
      %Outcome{target: target},
      Error.new(:connect, target.name, {:timeout, timeout})
    )
  end
end
