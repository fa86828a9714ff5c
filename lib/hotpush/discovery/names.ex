defmodule Hotpush.Discovery.Names do
  @moduledoc """
  Addresses for host names under `.local`, which the resolver of many hosts does not know. Those from
  mDNS are used inside this VM, and are forgotten when the processes that asked for them are done.

  Names that the host's resolver knows are left to it.
  """

  alias Hotpush.Discovery.{Found, Ledger, Mdns}
  alias Hotpush.Config.Target

  # Such a resolver fails soon, or waits for servers that do not answer.
  @resolver_ms 500

  @doc "Keeps the addresses of found devices, for `address/1` and `lend/2`."
  @spec learn([Found.t()]) :: :ok
  def learn(found) do
    heard = for %{host: host, addresses: [_ | _] = all} <- found, local?(host), do: {host, all}
    Ledger.learn(Map.new(heard))
  end

  @doc """
  The address of a host under `.local` from mDNS, or `nil`. (ssh reaches it with
  `-o HostName=ADDRESS -o HostKeyAlias=HOST`.)
  """
  @spec address(String.t()) :: String.t() | nil
  def address(host), do: host |> String.downcase() |> addresses() |> List.first()

  @doc """
  The same as `address/1`, but asks the network if no address is known yet, for at most `timeout` ms.
  Returns `nil` for names that are not under `.local`.
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

  defp addresses(host), do: Ledger.addresses(host)

  @doc """
  Makes hosts that the resolver does not know resolve in this VM, also for distribution. Asks the network
  for at most `timeout` ms. `give_back/0` undoes this, and so does the caller's end.
  """
  @spec lend([String.t()], pos_integer()) :: :ok
  def lend(hosts, timeout) do
    hosts = for host <- hosts, local?(host), uniq: true, do: String.downcase(host)
    if hosts == [], do: :ok, else: lend_local(hosts, timeout)
  end

  defp lend_local(hosts, timeout) do
    deadline = System.monotonic_time(:millisecond) + timeout
    # Hosts that others hold already resolve, but must stay when those are done.
    :ok = Ledger.lend(hosts)
    unknown = unknown(hosts, min(div(timeout, 2) + 1, @resolver_ms))
    missing = Enum.filter(unknown, &(addresses(&1) == []))
    left = max(deadline - System.monotonic_time(:millisecond), 1)

    with [_ | _] <- missing, {:ok, heard} <- Mdns.addresses(missing, left) do
      Ledger.learn(heard)
    end

    known =
      for host <- unknown,
          address <- Enum.take(Enum.flat_map(addresses(host), &ipv4/1), 1),
          into: %{},
          do: {host, address}

    Ledger.lend(hosts, known)
  end

  @doc """
  Transfers these hosts, which `lend/2` gave to the caller, to another process. They resolve as long as
  that process lives.
  """
  @spec hand_over([String.t()], pid()) :: :ok
  def hand_over(hosts, pid), do: hosts |> Enum.map(&String.downcase/1) |> Ledger.hand_over(pid)

  @doc """
  Undoes the caller's `learn/1` and `lend/2`. What other processes hold stays. The addresses are forgotten
  when the last process that asked for any is done.
  """
  @spec give_back() :: :ok
  defdelegate give_back, to: Ledger

  @doc """
  The hosts to which targets lead.

      iex> {:ok, node} = Hotpush.Config.Target.node("example@nerves.local")
      iex> {:ok, ssh} = Hotpush.Config.Target.ssh("root@nerves-1a2b.local")
      iex> Hotpush.Discovery.Names.hosts([node, ssh])
      ["nerves.local", "nerves-1a2b.local"]
  """
  @spec hosts([Target.t()]) :: [String.t()]
  def hosts(targets) do
    for(%{way: way} <- targets, do: host(way)) |> Enum.reject(&is_nil/1) |> Enum.uniq()
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
end
