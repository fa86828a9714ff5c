defmodule Hotpush.Transport.Dist.Diagnosis do
  @moduledoc """
  Finds out why a node could not be reached: it tries the steps of a connection one by one, and the first
  one that fails is the answer. Only the device's log shows a wrong cookie, so the handshake is repeated by
  hand: if the node hangs up after it has received the proof, the cookie is wrong.
  """

  alias Hotpush.Error
  alias Hotpush.Transport.Dist.{Epmd, Greeting, Tls}

  @doc "The likely cause, or `otherwise` if every step works. Each step may take `timeout` ms."
  @spec of(node(), pos_integer(), Error.t() | nil, :inet.port_number()) :: Error.t()
  def of(node, timeout, otherwise \\ nil, epmd_port \\ Epmd.port()) do
    [name, host] = String.split(to_string(node), "@", parts: 2)

    with {:ok, address} <- resolve(host),
         :ok <- reach(address, epmd_port, timeout, &{:no_epmd, host, epmd_port, &1}),
         {:ok, port} <- registered(name, {host, epmd_port}, address, timeout),
         :ok <- reach(address, port, timeout, &{:port_closed, host, port, &1}) do
      refused(node, {host, address, port}, timeout, otherwise)
    else
      {:error, reason} -> Error.new(:connect, node, reason)
    end
  end

  # A step that hangs is not repeated, but TLS on one side only hangs, too.
  defp refused(node, {host, address, port}, timeout, otherwise) do
    tls = if is_nil(otherwise) or Tls.used?(), do: Tls.cause(host, address, port, timeout)

    cond do
      tls ->
        Error.new(:connect, node, tls)

      otherwise ->
        otherwise

      name = other_name(node, address, port, timeout) ->
        Error.new(:connect, node, {:other_name, name})

      refuses?(node, {host, address, port}, timeout) ->
        Error.new(:connect, node, :handshake_refused)

      true ->
        Error.new(:connect, node, :handshake_broken)
    end
  end

  # A node only takes a connection for its exact name.
  defp other_name(node, address, port, timeout) do
    case not Tls.used?() and Greeting.name(address, port, timeout) do
      {:ok, other} when other != node -> to_string(other)
      _ -> nil
    end
  end

  defp refuses?(node, {host, address, port}, timeout) do
    connect = fn ->
      if Tls.used?(),
        do: Tls.connect(host, address, port, timeout),
        else: Greeting.connect(address, port, timeout)
    end

    Greeting.refuses?(connect, :erlang.get_cookie(node), timeout)
  end

  defp resolve(host) do
    charlist = String.to_charlist(host)

    case Enum.find_value([:inet, :inet6], &address(charlist, &1)) do
      nil -> {:error, {:unresolved, host}}
      address -> {:ok, address}
    end
  end

  defp address(host, family) do
    case :inet.getaddr(host, family) do
      {:ok, address} -> address
      {:error, _} -> nil
    end
  end

  defp reach(address, port, timeout, reason) do
    case :gen_tcp.connect(address, port, [], timeout) do
      {:ok, socket} -> :gen_tcp.close(socket)
      {:error, why} -> {:error, reason.(why)}
    end
  end

  defp registered(name, {host, epmd_port}, address, timeout) do
    with {:ok, names} <- Epmd.names(address, timeout) do
      case List.keyfind(names, name, 0) do
        {_, port} -> {:ok, port}
        nil -> {:error, {:not_registered, host, names |> Enum.map(&elem(&1, 0)) |> Enum.sort()}}
      end
    else
      {:error, why} -> {:error, {:no_epmd, host, epmd_port, why}}
    end
  end
end
