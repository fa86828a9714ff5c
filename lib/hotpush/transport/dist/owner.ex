defmodule Hotpush.Transport.Dist.Owner do
  @moduledoc """
  Who uses the node that this VM became, and its connections. The first starts it, and after the
  last, however that one ended, it goes. What was there before Hotpush stays.
  """

  use GenServer

  alias Hotpush.{Error, Steward}
  alias Hotpush.Transport.Dist.Host

  # `ours` is the node started here; `users` are by process, `links` by the node at the other end.
  defstruct [:ours, users: %{}, links: %{}]

  @doc "Makes this VM a node in the name domain of `node`, until the caller is done with it."
  @spec start(node(), Path.t()) :: :ok | {:error, Error.t()}
  def start(node, state_dir), do: Steward.call(__MODULE__, {:start, node, state_dir})

  @doc "The caller is done with the node. The last one takes it down, if it was started here."
  @spec finish() :: :ok
  def finish, do: Steward.call(__MODULE__, :finish)

  @doc "Makes this VM's node stay, whoever started it."
  @spec stay() :: :ok
  def stay, do: Steward.call(__MODULE__, :stay)

  @doc "Says that the caller is about to use the connection with `node`."
  @spec join(node()) :: reference()
  def join(node), do: Steward.call(__MODULE__, {:join, node})

  @doc "Undoes `join/1`. The last one disconnects, unless there was a connection before the first."
  @spec leave(node(), reference()) :: :ok
  def leave(node, hold), do: Steward.call(__MODULE__, {:leave, node, hold})

  @doc "As `leave/2`, and the connection stays."
  @spec keep(node(), reference()) :: :ok
  def keep(node, hold), do: Steward.call(__MODULE__, {:keep, node, hold})

  @impl true
  def init(_) do
    Steward.settle()
    {:ok, %__MODULE__{}}
  end

  @impl true
  def handle_call({:start, node, state_dir}, {pid, _}, state) do
    # For one who has died meanwhile there is no need to.
    case if(Process.alive?(pid), do: started(state, node, state_dir), else: {:ok, state}) do
      {:ok, state} -> {:reply, :ok, use_by(state, pid)}
      {:error, error} -> {:reply, {:error, error}, state}
    end
  end

  def handle_call(:finish, {pid, _}, state), do: {:reply, :ok, state |> drop(pid) |> rest()}
  def handle_call(:stay, _from, state), do: {:reply, :ok, %{state | ours: nil}}

  def handle_call({:join, node}, {pid, _}, state) do
    hold = Process.monitor(pid)
    link = state.links[node] || %{ours?: node not in Node.list(:connected), holds: []}
    {:reply, hold, put_in(state.links[node], %{link | holds: [hold | link.holds]})}
  end

  def handle_call({:leave, node, hold}, _from, state), do: {:reply, :ok, left(state, node, hold)}

  def handle_call({:keep, node, hold}, _from, state) do
    state = if state.links[node], do: put_in(state.links[node].ours?, false), else: state
    {:reply, :ok, left(state, node, hold)}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, pid, _reason}, state) do
    if state.users[pid] == monitor do
      {:noreply, state |> drop(pid) |> rest()}
    else
      nodes = for {node, %{holds: holds}} <- state.links, monitor in holds, do: node
      {:noreply, Enum.reduce(nodes, state, &left(&2, &1, monitor))}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp started(state, node, state_dir) do
    if Node.alive?() do
      with :ok <- Host.same_domain(node), do: {:ok, state}
    else
      with {:ok, slot} <- Host.start(node, state_dir),
           do: {:ok, %{state | ours: {node(), slot}}}
    end
  end

  defp use_by(state, pid),
    do: %{state | users: Map.put_new_lazy(state.users, pid, fn -> Process.monitor(pid) end)}

  defp drop(state, pid) do
    {monitor, users} = Map.pop(state.users, pid)
    if monitor, do: Process.demonitor(monitor, [:flush])
    %{state | users: users}
  end

  # Word of one who died may come later than that of one who knows of it.
  defp rest(state) do
    dead = for {pid, _} <- state.users, not Process.alive?(pid), do: pid
    state = Enum.reduce(dead, state, &drop(&2, &1))

    if state.users == %{} do
      stop(state.ours, node())
      %{state | ours: nil}
    else
      state
    end
  end

  # Unless somebody has made this VM another node since.
  defp stop({node, slot}, node), do: Host.stop(slot)
  defp stop(_ours, _node), do: :ok

  defp left(state, node, hold) do
    Process.demonitor(hold, [:flush])

    case state.links[node] do
      nil ->
        state

      link ->
        link = %{link | holds: List.delete(link.holds, hold)}
        if link.holds == [] and link.ours?, do: Node.disconnect(node)
        links = if link.holds == [], do: Map.delete(state.links, node)
        %{state | links: links || Map.put(state.links, node, link)}
    end
  end
end
