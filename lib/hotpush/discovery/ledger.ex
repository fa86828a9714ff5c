defmodule Hotpush.Discovery.Ledger do
  @moduledoc """
  The state of `Hotpush.Discovery.Names`: the known addresses, and the names that are lent, and to whom.
  A process holds what it asked for until it gives it back or ends; what nobody holds is undone.
  """

  use GenServer

  alias Hotpush.Application.Backup

  # `held` has pairs of a process and a host, or `:addresses`; `lent` has addresses by host.
  defstruct [:lookup, addresses: %{}, lent: %{}, held: MapSet.new(), monitors: %{}]

  @doc "Starts it."
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Keeps addresses, by host."
  @spec learn(%{String.t() => [String.t()]}) :: :ok
  def learn(heard), do: ask({:learn, heard})

  @doc "The known addresses of a host."
  @spec addresses(String.t()) :: [String.t()]
  def addresses(host), do: ask({:addresses, host})

  @doc """
  Lends hosts to the caller: those that are already lent to others, and those with an address in `known`.
  A host keeps its first address.
  """
  @spec lend([String.t()], %{String.t() => :inet.ip4_address()}) :: :ok
  def lend(hosts, known \\ %{}), do: ask({:lend, hosts, known})

  @doc "Transfers what the caller holds of these hosts to another process."
  @spec hand_over([String.t()], pid()) :: :ok
  def hand_over(hosts, pid), do: ask({:hand_over, hosts, pid})

  @doc "Takes back everything that the caller holds."
  @spec give_back() :: :ok
  def give_back, do: ask(:give_back)

  defp ask(request), do: GenServer.call(__MODULE__, request, :infinity)

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    before = Backup.get(__MODULE__, %__MODULE__{})
    monitors = for {pid, _} <- before.monitors, into: %{}, do: {pid, Process.monitor(pid)}
    {:ok, %{before | monitors: monitors}}
  end

  @impl true
  def terminate(_reason, state) do
    take(state, state.held)
    Backup.delete(__MODULE__)
  end

  @impl true
  def handle_call({:learn, heard}, {pid, _}, state) do
    state = %{state | addresses: Map.merge(state.addresses, heard)}
    {:reply, :ok, hold(state, pid, [:addresses])}
  end

  def handle_call({:addresses, host}, _from, state),
    do: {:reply, Map.get(state.addresses, host, []), state}

  def handle_call({:lend, hosts, known}, {pid, _}, state) do
    fresh = known |> Map.take(hosts) |> Map.drop(Map.keys(state.lent))
    state = %{state | lent: Map.merge(state.lent, fresh)}
    state = if fresh == %{}, do: state, else: look_here_first(state)
    enter(state.lent, Map.values(fresh))

    {:reply, :ok,
     hold(state, pid, [:addresses | Enum.filter(hosts, &Map.has_key?(state.lent, &1))])}
  end

  def handle_call({:hand_over, hosts, to}, {pid, _}, state) do
    held = Enum.filter(hosts, &({pid, &1} in state.held))
    {:reply, :ok, state |> hold(to, held) |> take(Enum.map(held, &{pid, &1}))}
  end

  # The message that a process has died may come later than one from a process that knows of it.
  def handle_call(:give_back, {pid, _}, state) do
    dead = for {pid, _} <- state.monitors, not Process.alive?(pid), do: pid
    {:reply, :ok, Enum.reduce([pid | dead], state, &back(&2, &1))}
  end

  @impl true
  def handle_info({:DOWN, _monitor, :process, pid, _reason}, state),
    do: {:noreply, back(state, pid)}

  def handle_info(_message, state), do: {:noreply, state}

  defp hold(state, pid, what) do
    held = for one <- what, into: state.held, do: {pid, one}
    monitors = Map.put_new_lazy(state.monitors, pid, fn -> Process.monitor(pid) end)
    Backup.put(__MODULE__, %{state | held: held, monitors: monitors})
  end

  defp back(state, pid) do
    {monitor, monitors} = Map.pop(state.monitors, pid)
    if monitor, do: Process.demonitor(monitor, [:flush])
    take(%{state | monitors: monitors}, for({^pid, _} = pair <- state.held, do: pair))
  end

  defp take(state, pairs) do
    held = MapSet.difference(state.held, MapSet.new(pairs))
    still = MapSet.new(held, &elem(&1, 1))
    {lent, gone} = Enum.split_with(state.lent, fn {host, _} -> host in still end)
    lent = Map.new(lent)
    enter(lent, Enum.map(gone, &elem(&1, 1)))
    addresses = if :addresses in still, do: state.addresses, else: %{}
    state = look_as_before(%{state | held: held, lent: lent, addresses: addresses})
    Backup.put(__MODULE__, state)
  end

  # The names that `:inet_db` has for an address are replaced all together.
  defp enter(lent, changed) do
    for address <- Enum.uniq(changed) do
      case for {host, ^address} <- lent, do: String.to_charlist(host) do
        [] -> :inet_db.del_host(address)
        hosts -> :inet_db.add_host(address, hosts)
      end
    end
  end

  # The other lookup methods stay after it: this may be somebody's long-lived node.
  defp look_here_first(state) do
    case :inet_db.res_option(:lookup) do
      [:file | _] ->
        state

      before ->
        ours = [:file | before -- [:file]]
        :inet_db.set_lookup(ours)
        %{state | lookup: {before, ours}}
    end
  end

  # Unless somebody else has changed it since.
  defp look_as_before(%{lookup: {before, ours}, lent: lent} = state) when lent == %{} do
    if :inet_db.res_option(:lookup) == ours, do: :inet_db.set_lookup(before)
    %{state | lookup: nil}
  end

  defp look_as_before(state), do: state
end
