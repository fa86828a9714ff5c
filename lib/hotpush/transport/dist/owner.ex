defmodule Hotpush.Transport.Dist.Owner do
  @moduledoc """
  Counts the users of the node that this VM became, and of its connections. The first user starts the
  node, and it stops after the last one has ended in any way. What was there before Hotpush stays.

  The node neither starts nor stops while a project is being compiled, see `settled/1`.
  """

  use GenServer

  alias Hotpush.Application.Backup
  alias Hotpush.Error
  alias Hotpush.Transport.Dist.Host
  alias Hotpush.Transport.Dist.Owner.Links

  # `ours` is the node started here; `users` are processes; `links` are its connections;
  # `monitors` are by process. `settled` are the processes that need the node to be as it is, and `starts`
  # wait for them.
  defstruct [:ours, users: MapSet.new(), links: %{}, monitors: %{}, settled: [], starts: []]

  @doc "Starts it."
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Makes this VM a node in the name domain of `node`, until the caller is done with it."
  @spec start(node(), Path.t()) :: :ok | {:error, Error.t()}
  def start(node, state_dir), do: ask({:start, node, state_dir})

  @doc """
  The same as `start/2`, but does not wait until this VM is a node, and ignores errors: whoever uses the
  node starts it again. A call of `settled/1` that begins later waits.
  """
  @spec start_soon(node(), Path.t()) :: :ok
  def start_soon(node, state_dir),
    do: GenServer.cast(__MODULE__, {:start_soon, self(), node, state_dir})

  @doc """
  Calls `fun`, which compiles. Until it returns, this VM neither becomes a node nor stops being one.

  Elixir's compiler writes pids into the code that it makes, as `:erlang.term_to_binary/1` does. If the
  VM gets another name before it reads them, its own pids are those of a node that does not exist, and the
  compilation fails (`no connection to nonode@nohost`).
  """
  @spec settled((() -> result)) :: result when result: term()
  def settled(fun) do
    ask(:settle)

    try do
      fun.()
    after
      ask(:unsettle)
    end
  end

  @doc "The caller is done with the node. The last one takes it down, if it was started here."
  @spec finish() :: :ok
  def finish, do: ask(:finish)

  @doc "Keeps this VM's node, whoever started it."
  @spec stay() :: :ok
  def stay, do: ask(:stay)

  @doc "Says that the caller is about to use the connection with `node`."
  @spec join(node()) :: reference()
  def join(node), do: ask({:join, node})

  @doc "Undoes `join/1`. The last one disconnects, unless there was a connection before the first."
  @spec leave(node(), reference()) :: :ok
  def leave(node, hold), do: ask({:leave, node, hold})

  @doc "The same as `leave/2`, but the connection stays."
  @spec keep(node(), reference()) :: :ok
  def keep(node, hold), do: ask({:keep, node, hold})

  defp ask(request), do: GenServer.call(__MODULE__, request, :infinity)

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    before = Backup.get(__MODULE__, %__MODULE__{})
    {:ok, watch(%{before | monitors: %{}, starts: []}, Map.keys(before.monitors))}
  end

  @impl true
  def terminate(_reason, state) do
    Enum.each(Links.ours(state.links), &Node.disconnect/1)
    stop(state.ours, node())
    Backup.delete(__MODULE__)
  end

  @impl true
  def handle_call({:start, node, state_dir}, {pid, _} = from, state) do
    if state.settled == [] or Node.alive?() do
      {answer, state} = use_node(state, pid, node, state_dir)
      {:reply, answer, state}
    else
      {:noreply, %{state | starts: state.starts ++ [{from, node, state_dir}]}}
    end
  end

  def handle_call(:settle, {pid, _}, state),
    do: {:reply, :ok, kept(watch(%{state | settled: [pid | state.settled]}, [pid]))}

  def handle_call(:unsettle, {pid, _}, state), do: {:reply, :ok, unsettle(state, pid)}
  def handle_call(:finish, {pid, _}, state), do: {:reply, :ok, state |> drop(pid) |> rest()}
  def handle_call(:stay, _from, state), do: {:reply, :ok, kept(%{state | ours: nil})}

  def handle_call({:join, node}, {pid, _}, state) do
    {hold, links} = Links.join(state.links, node, pid, Node.list(:connected))
    {:reply, hold, kept(watch(%{state | links: links}, [pid]))}
  end

  def handle_call({:leave, node, hold}, _from, state),
    do: {:reply, :ok, kept(left(state, node, hold))}

  def handle_call({:keep, node, hold}, _from, state) do
    state = %{state | links: Links.keep(state.links, node)}
    {:reply, :ok, kept(left(state, node, hold))}
  end

  @impl true
  def handle_cast({:start_soon, pid, node, state_dir}, %{settled: []} = state) do
    {_answer, state} = use_node(state, pid, node, state_dir)
    {:noreply, state}
  end

  def handle_cast({:start_soon, _pid, _node, _state_dir}, state), do: {:noreply, state}

  @impl true
  def handle_info({:DOWN, _monitor, :process, pid, _reason}, state) do
    holds = Links.of(state.links, pid)
    state = Enum.reduce(holds, state, fn {node, hold}, state -> left(state, node, hold) end)
    user? = pid in state.users
    # One that has ended needs nothing any more, however often it said so.
    state = drop(%{state | settled: Enum.uniq(state.settled)}, pid) |> unsettle(pid)
    {:noreply, if(user?, do: rest(state), else: kept(state))}
  end

  def handle_info(_message, state), do: {:noreply, state}

  # This is not needed for a process that has ended in the meantime.
  defp use_node(state, pid, node, state_dir) do
    case if(Process.alive?(pid), do: started(state, node, state_dir), else: {:ok, state}) do
      {:ok, state} -> {:ok, kept(watch(%{state | users: MapSet.put(state.users, pid)}, [pid]))}
      {:error, error} -> {{:error, error}, state}
    end
  end

  # The last one lets those start that waited, and ends a node that nobody uses any more.
  defp unsettle(%{settled: []} = state, _pid), do: state

  defp unsettle(state, pid) do
    case List.delete(state.settled, pid) do
      [] -> Enum.reduce(state.starts, rest(%{state | settled: [], starts: []}), &start_waiting/2)
      settled -> kept(%{state | settled: settled})
    end
  end

  defp start_waiting({{pid, _} = from, node, state_dir}, state) do
    {answer, state} = use_node(state, pid, node, state_dir)
    GenServer.reply(from, answer)
    state
  end

  defp started(state, node, state_dir) do
    if Node.alive?() do
      with :ok <- Host.same_domain(node), do: {:ok, state}
    else
      with {:ok, slot} <- Host.start(node, state_dir),
           do: {:ok, %{state | ours: {node(), slot}}}
    end
  end

  defp watch(state, pids) do
    Enum.reduce(pids, state, fn pid, state ->
      monitors = Map.put_new_lazy(state.monitors, pid, fn -> Process.monitor(pid) end)
      %{state | monitors: monitors}
    end)
  end

  # Processes that are no longer users and hold no link.
  defp kept(state) do
    needed = Links.holders(state.links) ++ MapSet.to_list(state.users) ++ state.settled
    {monitors, done} = Map.split(state.monitors, needed)
    for {_pid, monitor} <- done, do: Process.demonitor(monitor, [:flush])
    Backup.put(__MODULE__, %{state | monitors: monitors})
  end

  defp drop(state, pid), do: %{state | users: MapSet.delete(state.users, pid)}

  # The message that a process has died may come later than one from a process that knows of it.
  defp rest(state) do
    state = %{state | users: MapSet.filter(state.users, &Process.alive?/1)}

    if MapSet.size(state.users) == 0 and state.settled == [] do
      stop(state.ours, node())
      kept(%{state | ours: nil})
    else
      kept(state)
    end
  end

  # Unless somebody has since made this VM another node.
  defp stop({node, slot}, node), do: Host.stop(slot)
  defp stop(_ours, _node), do: :ok

  defp left(state, node, hold) do
    {nodes, links} = Links.leave(state.links, node, hold)
    Enum.each(nodes, &Node.disconnect/1)
    %{state | links: links}
  end
end
