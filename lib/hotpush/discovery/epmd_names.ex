defmodule Hotpush.Discovery.EpmdNames do
  @moduledoc "The names that the epmd of a host knows."

  alias Hotpush.Discovery.Ledger
  alias Hotpush.Transport.Dist

  @here "127.0.0.1"
  @names_req 110
  # Anybody may answer, and never stop: the limits of what is read, and of the names.
  @most_bytes 65_536
  @most_names 64

  @doc """
  The names that the epmd at `host` (a name, or an address as text) knows, sorted, without this VM's own.
  Waits at most `timeout` ms in all, and reads a limited amount.
  """
  @spec of(String.t(), pos_integer(), :inet.port_number()) ::
          {:ok, [String.t()]} | {:error, term()}
  def of(host, timeout, port \\ Dist.Epmd.port()) do
    deadline = now() + timeout
    options = [:binary, active: false, send_timeout: timeout]

    with {:ok, socket} <-
           connect(
             List.first(Ledger.addresses(String.downcase(host))) || host,
             port,
             options,
             timeout
           ) do
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

  # As text, with the interface after a link-local address: `fe80::1%eth0`.
  defp connect(text, port, options, timeout) do
    case String.split(text, "%", parts: 2) do
      [address, interface] -> link_local(address, interface, port, options, timeout)
      [_] -> plain(text, port, options, timeout)
    end
  catch
    # Anybody may announce anything, such as a link-local address without an interface.
    _kind, _reason -> {:error, :einval}
  end

  defp link_local(address, interface, port, options, timeout) do
    with {:ok, address} <- :inet.parse_ipv6strict_address(String.to_charlist(address)),
         {:ok, index} <- :net.if_name2index(String.to_charlist(interface)) do
      place = %{family: :inet6, addr: address, port: port, scope_id: index}
      :gen_tcp.connect(place, [:inet6 | options], timeout)
    end
  end

  defp plain(text, port, options, timeout) do
    host = String.to_charlist(text)

    case :inet.parse_address(host) do
      {:ok, address} when tuple_size(address) == 8 ->
        :gen_tcp.connect(address, port, [:inet6 | options], timeout)

      {:ok, address} ->
        :gen_tcp.connect(address, port, options, timeout)

      {:error, _} ->
        :gen_tcp.connect(host, port, options, timeout)
    end
  end

  defp all(_socket, read, _deadline) when byte_size(read) > @most_bytes,
    do: {:ok, binary_part(read, 0, @most_bytes)}

  defp all(socket, read, deadline) do
    case :gen_tcp.recv(socket, 0, max(deadline - now(), 0)) do
      {:ok, bytes} -> all(socket, read <> bytes, deadline)
      {:error, :closed} -> {:ok, read}
      {:error, reason} -> {:error, reason}
    end
  end

  # `name NAME at port PORT`, one per line.
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
