defmodule Hotpush.Discovery.Epmd do
  @moduledoc """
  The nodes that the epmd of this host knows, and those of the hosts that configuration names.

  epmd answers everybody: no cookie is offered (ERTS User's Guide, Distribution Protocol,
  NAMES_REQ).
  """

  @behaviour Hotpush.Discovery

  alias Hotpush.Discovery.{Found, Names}
  alias Hotpush.Transport.Dist

  @here "127.0.0.1"
  @names_req 110
  # A stranger may answer for ever: this much is read, and so many names are made of it.
  @most_bytes 65_536
  @most_names 64

  @impl true
  def discover(options) do
    timeout = Keyword.fetch!(options, :timeout)

    found =
      [@here | Keyword.get(options, :hosts, [])]
      |> Enum.uniq()
      |> Task.async_stream(&{&1, names(&1, timeout)},
        max_concurrency: 256,
        timeout: timeout,
        on_timeout: :kill_task
      )
      |> Enum.flat_map(fn
        {:ok, {host, {:ok, names}}} -> for name <- names, do: found(host, name)
        # A host that does not answer is told of by who asks it for more than names.
        _ -> []
      end)

    {:ok, found}
  end

  defp found(host, name) do
    node = "#{name}@#{host}"
    %Found{how: :epmd, name: node, host: host, offers: [node: node]}
  end

  @doc """
  The names that the epmd at `host` (a name, or an address as text) knows, sorted, without this
  VM's own. Waits `timeout` ms in all, and reads no more than is sensible.
  """
  @spec names(String.t(), pos_integer(), :inet.port_number()) ::
          {:ok, [String.t()]} | {:error, term()}
  def names(host, timeout, port \\ Dist.Epmd.port()) do
    deadline = now() + timeout
    options = [:binary, active: false, send_timeout: timeout]

    with {:ok, socket} <- connect(Names.address(host) || host, port, options, timeout) do
      try do
        with :ok <- :gen_tcp.send(socket, <<1::16, @names_req>>),
             {:ok, <<_port::32, text::binary>>} <- all(socket, "", deadline) do
          {:ok, parse(text, host == @here)}
        else
          {:ok, _short} -> {:error, :no_epmd}
          error -> error
        end
      after
        :gen_tcp.close(socket)
      end
    end
  end

  # A link-local address is one of an interface, `fe80::1%eth0`; without it, connecting would raise.
  defp connect(text, port, options, timeout) do
    [address | zone] = String.split(text, "%", parts: 2)

    case {:inet.parse_address(String.to_charlist(address)), zone} do
      {{:ok, address}, [zone]} when tuple_size(address) == 8 ->
        within(zone, %{family: :inet6, addr: address, port: port, flowinfo: 0}, options, timeout)

      {{:ok, {first, _, _, _, _, _, _, _}}, []} when first in 0xFE80..0xFEBF ->
        {:error, :einval}

      {{:ok, address}, []} ->
        :gen_tcp.connect(address, port, family(address) ++ options, timeout)

      _ ->
        :gen_tcp.connect(String.to_charlist(text), port, options, timeout)
    end
  end

  defp within(zone, address, options, timeout) do
    with {:ok, index} <- :net.if_name2index(String.to_charlist(zone)) do
      :gen_tcp.connect(Map.put(address, :scope_id, index), [:inet6 | options], timeout)
    end
  end

  defp family(address) when tuple_size(address) == 8, do: [:inet6]
  defp family(_address), do: []

  defp all(_socket, read, _deadline) when byte_size(read) > @most_bytes,
    do: {:ok, binary_part(read, 0, @most_bytes)}

  defp all(socket, read, deadline) do
    case :gen_tcp.recv(socket, 0, max(deadline - now(), 0)) do
      {:ok, bytes} -> all(socket, read <> bytes, deadline)
      {:error, :closed} -> {:ok, read}
      {:error, reason} -> {:error, reason}
    end
  end

  # `name NAME at port PORT`, one a line.
  defp parse(text, here?) do
    own = if here?, do: node() |> to_string() |> String.split("@") |> hd()

    for [_, name] <- Regex.scan(~r/^name ([0-9A-Za-z_\-]{1,200}) at port \d{1,5}$/m, text),
        name != own,
        uniq: true do
      name
    end
    |> Enum.sort()
    |> Enum.take(@most_names)
  end

  defp now, do: System.monotonic_time(:millisecond)
end
