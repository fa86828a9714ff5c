defmodule Hotpush.Discovery.Mdns do
  @moduledoc """
  Finds hosts that announce themselves by multicast DNS, as Nerves devices do: `_epmd._tcp`,
  `_ssh._tcp`, `_sftp-ssh._tcp`. If a host has an epmd, it is asked for the names of its nodes, which
  needs neither a cookie nor a key.

  The native library listens, on a thread of its own.
  """

  @behaviour Hotpush.Discovery

  alias Hotpush.Discovery.{EpmdNames, Found}
  alias Hotpush.{Error, Native}

  @kinds ~w(_epmd._tcp _ssh._tcp _sftp-ssh._tcp)
  # The time that is left for the epmds to answer.
  @names_ms 500
  # The thread ends by itself, so wait for it a little longer than it listens.
  @spare_ms 1_000

  @impl true
  def discover(options) do
    timeout = Keyword.fetch!(options, :timeout)
    names_ms = min(@names_ms, div(timeout, 3))

    with {:ok, heard} <- listen(@kinds, [], timeout - names_ms), do: {:ok, found(heard, names_ms)}
  end

  @doc """
  The addresses of hosts under `.local`, best first: `%{host => [address]}`. Hosts for which nothing
  answered within `timeout` ms are left out.
  """
  @spec addresses([String.t()], pos_integer()) ::
          {:ok, %{String.t() => [String.t()]}} | {:error, Error.t()}
  def addresses(hosts, timeout) do
    with {:ok, heard} <- listen([], Enum.map(hosts, &String.downcase/1), timeout),
         do: {:ok, for({host, [_ | _] = addresses, _} <- heard, into: %{}, do: {host, addresses})}
  end

  defp listen(kinds, hosts, ms) do
    tag = make_ref()

    if Native.loaded?() do
      case Native.mdns_listen(tag, kinds, hosts, ms) do
        :ok -> hear(tag, ms + @spare_ms)
        :error -> failed(:too_many)
      end
    else
      failed(:no_native_library)
    end
  end

  defp hear(tag, ms) do
    receive do
      {^tag, {:ok, heard, _dropped}} -> {:ok, heard}
      {^tag, {:error, text}} -> failed({:system, text})
    after
      ms -> failed({:timeout, ms})
    end
  end

  defp failed(reason), do: {:error, Error.new(:discover, :mdns, reason)}

  defp found(heard, names_ms) do
    heard
    |> Task.async_stream(&{&1, nodes(&1, names_ms)},
      max_concurrency: 256,
      timeout: names_ms + @spare_ms
    )
    |> Enum.map(fn {:ok, {{host, addresses, services}, nodes}} ->
      offers = Enum.map(nodes, &{:node, "#{&1}@#{host}"}) ++ ssh(host, services)

      %Found{
        how: :mdns,
        name: host,
        host: host,
        addresses: addresses,
        offers: offers,
        notice: if(offers == [], do: Error.new(:discover, host, :no_nodes_there))
      }
    end)
  end

  defp nodes({_host, [address | _], services}, ms) do
    with true <- List.keymember?(services, "_epmd._tcp", 0),
         {:ok, names} <- EpmdNames.of(address, ms) do
      names
    else
      _ -> []
    end
  end

  defp nodes(_without_address, _ms), do: []

  defp ssh(host, services) do
    ports = for {kind, port} <- services, kind in ["_ssh._tcp", "_sftp-ssh._tcp"], do: port

    for port <- Enum.uniq(ports),
        do: {:ssh, if(port == 22, do: host, else: "#{host}:#{port}")}
  end
end
