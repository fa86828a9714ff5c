defmodule Hotpush.Turn do
  @moduledoc """
  One after the other in this VM, whichever processes ask: what one of them has begun is finished,
  or its process has ended, before the next begins. Each key has a queue of its own.
  """

  use GenServer

  alias Hotpush.Steward

  @doc "Calls `fun` when it is the caller's turn. The caller must not have the same turn already."
  @spec take(atom(), (() -> result)) :: result when result: term()
  def take(key, fun) do
    Steward.call(__MODULE__, {:take, key})

    try do
      fun.()
    after
      Steward.call(__MODULE__, {:leave, key})
    end
  end

  @impl true
  def init(_) do
    Steward.settle()
    {:ok, %{}}
  end

  # The first of a queue has the turn.
  @impl true
  def handle_call({:take, key}, {pid, _} = from, queues) do
    queue = Map.get(queues, key, :queue.new())
    if :queue.is_empty(queue), do: GenServer.reply(from, :ok)
    {:noreply, Map.put(queues, key, :queue.in({Process.monitor(pid), from}, queue))}
  end

  def handle_call({:leave, key}, _from, queues) do
    {:value, {monitor, _}} = :queue.peek(queues[key])
    Process.demonitor(monitor, [:flush])
    {:reply, :ok, %{queues | key => queues[key] |> :queue.drop() |> next()}}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _, _}, queues) do
    {:noreply, Map.new(queues, fn {key, queue} -> {key, without(queue, monitor)} end)}
  end

  defp without(queue, monitor) do
    first? = match?({:value, {^monitor, _}}, :queue.peek(queue))
    left = :queue.filter(fn {other, _} -> other != monitor end, queue)
    if first?, do: next(left), else: left
  end

  defp next(queue) do
    with {:value, {_, from}} <- :queue.peek(queue), do: GenServer.reply(from, :ok)
    queue
  end
end
