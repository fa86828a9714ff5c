defmodule Hotpush.Transport.Adb.Origin do
  @moduledoc """
  Finds out which of the nodes that this host's epmd knows is the device's.

  It is the one on whose distribution port something on the device listens, according to the device's
  own `/proc/net/tcp`. The node itself tells its full name in the handshake, before any cookie is used.
  """

  alias Hotpush.Transport.Adb.{Command, Forward}
  alias Hotpush.Error
  alias Hotpush.Transport.Dist.{Epmd, Greeting}

  @timeout 5_000
  @again 100

  @type names :: [{String.t(), :inet.port_number()}]

  @doc """
  The name in epmd and the distribution port of the device's node. `node` is the node that was asked
  for, or `nil`. A node that just got its tunnel has `wait` milliseconds to register.
  """
  @spec find(String.t(), node() | nil, names(), non_neg_integer()) ::
          {:ok, String.t(), :inet.port_number()} | {:error, Error.t()}
  def find(serial, node, names, wait), do: find_by(serial, node, names, now() + wait)

  defp find_by(serial, node, names, deadline) do
    with {:ok, text} <- Command.run(listening(serial), serial, @timeout) do
      ports = Forward.listening(text)

      case choose(node && short(node), names, ports) do
        {:ok, name, port} ->
          {:ok, name, port}

        {:error, reason} ->
          if now() < deadline and elem(reason, 0) in [:adb_no_node, :adb_not_registered],
            do: again(serial, node, deadline),
            else: {:error, Error.new(:connect, serial, reason)}
      end
    end
  end

  defp listening(serial) do
    # Without -n, it would read this VM's standard input.
    ["-s", serial, "shell", "-n", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true"]
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp again(serial, node, deadline) do
    receive do
    after
      @again -> :ok
    end

    case Epmd.local(@timeout) do
      {:ok, names} ->
        find_by(serial, node, names, deadline)

      {:error, reason} ->
        {:error, Error.new(:connect, serial, {:adb_no_epmd, Epmd.port(), reason})}
    end
  end

  @doc """
  The node among `names` that listens on one of `ports`; `name` is the one that was asked for.

      iex> Hotpush.Transport.Adb.Origin.choose(nil, [{"iex", 4000}, {"phone", 9100}], [5555, 9100])
      {:ok, "phone", 9100}
      iex> Hotpush.Transport.Adb.Origin.choose(nil, [{"a", 1000}, {"b", 1001}], [1000, 1001])
      {:error, {:adb_nodes, ["a", "b"]}}
      iex> Hotpush.Transport.Adb.Origin.choose("a", [{"a", 1000}], [1001])
      {:error, {:adb_elsewhere, "a", 1000}}
      iex> Hotpush.Transport.Adb.Origin.choose(nil, [{"a", 1000}], [])
      {:error, {:adb_no_node, ["a"]}}
  """
  @spec choose(String.t() | nil, names(), [:inet.port_number()]) ::
          {:ok, String.t(), :inet.port_number()} | {:error, tuple()}
  def choose(nil, names, ports) do
    case Enum.filter(names, fn {_, port} -> port in ports end) do
      [{name, port}] -> {:ok, name, port}
      [] -> {:error, {:adb_no_node, sorted(names)}}
      several -> {:error, {:adb_nodes, sorted(several)}}
    end
  end

  def choose(name, names, ports) do
    case List.keyfind(names, name, 0) do
      nil ->
        {:error, {:adb_not_registered, name, sorted(names)}}

      {_, port} ->
        if port in ports,
          do: {:ok, name, port},
          else: {:error, {:adb_elsewhere, name, port}}
    end
  end

  defp sorted(names), do: names |> Enum.map(&elem(&1, 0)) |> Enum.sort()

  @doc """
  The full name of the node behind `port`, whose tunnel is open; `node` if it is already known. Its host
  part must be this host's loopback, since the tunnels begin there.
  """
  @spec full_name(String.t(), node() | nil, String.t(), :inet.port_number()) ::
          {:ok, node()} | {:error, Error.t()}
  def full_name(serial, node, name, port) do
    case known(node, port) do
      {:ok, node} -> here(serial, node)
      _ -> {:error, Error.new(:connect, serial, {:adb_silent, name, port})}
    end
  end

  defp here(serial, node) do
    if loopback?(node),
      do: {:ok, node},
      else: {:error, Error.new(:connect, serial, {:adb_host, node})}
  end

  defp known(nil, port), do: Greeting.name({127, 0, 0, 1}, port, @timeout)
  defp known(node, _port), do: {:ok, node}

  defp loopback?(node) do
    [_, host] = node |> to_string() |> String.split("@", parts: 2)
    match?({:ok, {127, _, _, _}}, :inet.getaddr(String.to_charlist(host), :inet))
  end

  defp short(node), do: node |> to_string() |> String.split("@") |> hd()
end
