defmodule Hotpush.Turn do
  @moduledoc """
  Work that only one process of this VM may do at a time: the next one begins when the one before it has
  finished, or its process has ended. Each key has a queue of its own.
  """

  use GenServer

  alias Hotpush.Application.Backup

  @doc "Starts it."
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Calls `fun` when it is the caller's turn. The caller must not already have the same turn."
  @spec take(atom(), (() -> result)) :: result when result: term()
  def take(key, fun) do
    GenServer.call(__MODULE__, {:take, key}, :infinity)

    try do
      fun.()
    after
      GenServer.call(__MODULE__, {:leave, key}, :infinity)
    end
  end

  # Queues of {monitor, pid, from}. The first in a queue has the turn, and keeps it if this process was
  # restarted; those after it have noticed the restart.
  @impl true
  def init(_) do
    holders = Backup.get(__MODULE__, %{})

    {:ok,
     Map.new(holders, fn {key, pid} ->
       {key, :queue.from_list([{Process.monitor(pid), pid, nil}])}
     end)}
  end

  @impl true
  def handle_call({:take, key}, {pid, _} = from, queues) do
    queue = Map.get(queues, key, :queue.new())
    if :queue.is_empty(queue), do: GenServer.reply(from, :ok)
    {:noreply, kept(Map.put(queues, key, :queue.in({Process.monitor(pid), pid, from}, queue)))}
  end

  def handle_call({:leave, key}, {pid, _}, queues) do
    case queues do
      %{^key => queue} -> {:reply, :ok, kept(%{queues | key => without(queue, &(&1 == pid))})}
      _ -> {:reply, :ok, queues}
    end
  end

  @impl true
  def handle_info({:DOWN, _monitor, :process, pid, _}, queues) do
    {:noreply, kept(Map.new(queues, fn {key, queue} -> {key, without(queue, &(&1 == pid))} end))}
  end

  defp without(queue, left?) do
    before = :queue.peek(queue)

    queue =
      :queue.filter(
        fn {monitor, pid, _} -> not (left?.(pid) and Process.demonitor(monitor, [:flush])) end,
        queue
      )

    with {:value, {_, _, from}} = first when first != before <- :queue.peek(queue),
         do: GenServer.reply(from, :ok)

    queue
  end

  defp kept(queues) do
    Backup.put(
      __MODULE__,
      for({key, queue} <- queues, {:value, {_, pid, _}} <- [:queue.peek(queue)], do: {key, pid})
      |> Map.new()
    )

    queues
  end
end
