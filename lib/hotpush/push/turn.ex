defmodule Hotpush.Push.Turn do
  @moduledoc """
  One after the other in this VM, whichever processes ask: what one of them has begun is finished,
  or its process has ended, before the next begins.
  """

  use GenServer

  alias Hotpush.Steward

  @doc "Calls `fun` when it is the caller's turn."
  @spec take((() -> result)) :: result when result: term()
  def take(fun) do
    Steward.call(__MODULE__, :take)

    try do
      fun.()
    after
      Steward.call(__MODULE__, :leave)
    end
  end

  @impl true
  def init(_) do
    Steward.settle()
    {:ok, :queue.new()}
  end

  # The first of the queue has the turn.
  @impl true
  def handle_call(:take, {pid, _} = from, queue) do
    entry = {Process.monitor(pid), from}
    if :queue.is_empty(queue), do: GenServer.reply(from, :ok)
    {:noreply, :queue.in(entry, queue)}
  end

  def handle_call(:leave, _from, queue) do
    {:value, {monitor, _}} = :queue.peek(queue)
    Process.demonitor(monitor, [:flush])
    {:reply, :ok, next(:queue.drop(queue))}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _, _}, queue) do
    first? = match?({:value, {^monitor, _}}, :queue.peek(queue))
    left = :queue.filter(fn {other, _} -> other != monitor end, queue)
    {:noreply, if(first?, do: next(left), else: left)}
  end

  defp next(queue) do
    with {:value, {_, from}} <- :queue.peek(queue), do: GenServer.reply(from, :ok)
    queue
  end
end
