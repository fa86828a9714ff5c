defmodule Hotpush.Discovery.Names do
  @moduledoc """
  Addresses for host names under `.local`, which many a host's resolver does not know: what mDNS
  said of them is used inside this VM, and is forgotten when the visits are over.

  What the host's resolver knows is left to it.
  """

  alias Hotpush.Discovery.{Found, Mdns}
  alias Hotpush.{Route, Target}

  # Such a resolver says no soon, or waits for servers that do not answer.
  @resolver_ms 500

  @doc "Keeps the addresses of what discovery found, for `address/1` and `lend/2`."
  @spec learn([Found.t()]) :: :ok
  def learn(found) do
    heard = for %{host: host, addresses: [_ | _] = all} <- found, local?(host), do: {host, all}
    keep(%{state() | addresses: Map.merge(state().addresses, Map.new(heard))})
  end

  @doc """
  The address of a host under `.local`, as mDNS gave it, or `nil`. (ssh goes there with
  `-o HostName=ADDRESS -o HostKeyAlias=HOST`.)
  """
  @spec address(String.t()) :: String.t() | nil
  def address(host), do: host |> String.downcase() |> addresses() |> List.first()

  @doc """
  As `address/1`; asks the network where nothing is known yet, for at most `timeout` ms. `nil` for
  other names than those under `.local`.
  """
  @spec search(String.t(), pos_integer()) :: String.t() | nil
  def search(host, timeout) do
    name = String.downcase(host)

    with nil <- address(host),
         true <- local?(name),
         {:ok, %{^name => [address | _]}} <- Mdns.addresses([name], timeout) do
      address
    else
      address when is_binary(address) -> address
      _ -> nil
    end
  end

  defp addresses(host), do: Map.get(state().addresses, host, [])

  @doc """
  Makes those hosts that the resolver does not know resolve in this VM, distribution included.
  Asks the network for at most `timeout` ms. `give_back/0` undoes it.
  """
  @spec lend([String.t()], pos_integer()) :: :ok
  def lend(hosts, timeout) do
    deadline = System.monotonic_time(:millisecond) + timeout
    hosts = for host <- hosts, local?(host), uniq: true, do: String.downcase(host)
    unknown = unknown(hosts, min(div(timeout, 2) + 1, @resolver_ms))
    missing = Enum.filter(unknown, &(addresses(&1) == []))
    left = max(deadline - System.monotonic_time(:millisecond), 1)

    with [_ | _] <- missing, {:ok, heard} <- Mdns.addresses(missing, left) do
      keep(%{state() | addresses: Map.merge(state().addresses, heard)})
    end

    lent =
      for host <- unknown,
          address <- Enum.take(Enum.flat_map(addresses(host), &ipv4/1), 1),
          do: {address, String.to_charlist(host)}

    enter(Enum.group_by(lent, &elem(&1, 0), &elem(&1, 1)))
  end

  @doc "Undoes `lend/2`, and forgets all addresses."
  @spec give_back() :: :ok
  def give_back do
    state = state()
    for address <- state.lent, do: :inet_db.del_host(address)

    # Unless somebody else has set it since.
    with {before, ours} <- state.lookup, ^ours <- :inet_db.res_option(:lookup) do
      :inet_db.set_lookup(before)
    end

    :persistent_term.erase(__MODULE__)
    :ok
  end

  @doc """
  The hosts that routes, or targets, lead to.

      iex> {:ok, node} = Hotpush.Route.node("example@nerves.local")
      iex> {:ok, ssh} = Hotpush.Route.ssh("root@nerves-1a2b.local")
      iex> Hotpush.Discovery.Names.hosts([node, ssh])
      ["nerves.local", "nerves-1a2b.local"]
  """
  @spec hosts([Route.t() | Target.t()]) :: [String.t()]
  def hosts(routes) do
    for(%{way: way} <- routes, do: host(way)) |> Enum.reject(&is_nil/1) |> Enum.uniq()
  end

  defp host({:node, node}), do: node |> to_string() |> String.split("@", parts: 2) |> List.last()
  defp host({:ssh, %{host: host}}), do: host
  defp host(_adb), do: nil

  defp local?(host), do: is_binary(host) and String.ends_with?(String.downcase(host), ".local")

  defp unknown(hosts, ms) do
    hosts
    |> Task.async_stream(&:inet.getaddr(String.to_charlist(&1), :inet),
      max_concurrency: 32,
      timeout: ms,
      on_timeout: :kill_task
    )
    |> Enum.zip(hosts)
    |> Enum.flat_map(fn
      {{:ok, {:ok, _address}}, _host} -> []
      {_, host} -> [host]
    end)
  end

  defp ipv4(text) do
    case :inet.parse_ipv4_address(String.to_charlist(text)) do
      {:ok, address} -> [address]
      {:error, _} -> []
    end
  end

  defp enter(none) when none == %{}, do: :ok

  defp enter(lent) do
    for {address, hosts} <- lent, do: :inet_db.add_host(address, hosts)
    state = state()
    lookup = state.lookup || look_here_first(:inet_db.res_option(:lookup))
    keep(%{state | lookup: lookup, lent: Enum.uniq(state.lent ++ Map.keys(lent))})
  end

  # Behind it stays whatever was there: this may be somebody's long-lived node.
  defp look_here_first([:file | _]), do: nil

  defp look_here_first(before) do
    ours = [:file | before -- [:file]]
    :inet_db.set_lookup(ours)
    {before, ours}
  end

  defp state,
    do: :persistent_term.get(__MODULE__, %{addresses: %{}, lookup: nil, lent: []})

  defp keep(state), do: :persistent_term.put(__MODULE__, state)
end
