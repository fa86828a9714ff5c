defmodule Hotpush.Transport.Adb.Teardown do
  @moduledoc """
  Takes down the tunnels to a device, whichever VM or command has set them up. It recognizes them by
  where they lead, see `Hotpush.Transport.Adb.Tunnel`: to this host's epmd, and to a node that it knows.
  """

  alias Hotpush.Transport.Adb.Devices
  alias Hotpush.Transport.Adb.{Command, Forward, Tunnel}
  alias Hotpush.Error
  alias Hotpush.Transport.Dist.Epmd

  @timeout 5_000

  @typedoc "As adb calls it: `{\"reverse\", \"tcp:4369\"}`."
  @type tunnel :: {direction :: String.t(), from :: String.t()}

  @doc """
  Takes down the tunnels of the device `serial` (or the only one whose serial number begins like this).
  Returns the tunnels that it took down, and the node that this VM knows there, or `nil`. Connections
  through the tunnels stay until they are closed, and other programs' tunnels stay too.
  """
  @spec run(String.t()) :: {:ok, [tunnel()], node() | nil} | {:error, Error.t()}
  def run(serial) do
    with {:ok, devices} <- Devices.devices(10_000, serial),
         {:ok, device} <- Devices.find(serial, devices),
         :ok <- Devices.usable(device),
         serial = device.serial,
         {:ok, before} <- standing(serial),
         node = Tunnel.node(serial),
         :ok <- remove(serial, ours(before)),
         Tunnel.close(serial),
         {:ok, left} <- standing(serial) do
      {:ok, for({direction, from, _to} <- before -- left, do: {direction, from}), node}
    end
  end

  defp standing(serial) do
    with {:ok, forward} <- Command.run(["forward", "--list"], serial, @timeout),
         {:ok, reverse} <- Command.run(["-s", serial, "reverse", "--list"], serial, @timeout) do
      {:ok,
       for({^serial, from, to} <- Forward.tunnels(forward), do: {"forward", from, to}) ++
         for({_how, from, to} <- Forward.tunnels(reverse), do: {"reverse", from, to})}
    end
  end

  # Done while epmd still knows the node: without the tunnel, the name is gone. Starts no epmd.
  defp ours(standing) do
    names = with {:error, _no_epmd} <- Epmd.names({127, 0, 0, 1}, @timeout), do: {:ok, []}
    nodes = for {_name, port} <- elem(names, 1), do: {"forward", "tcp:#{port}"}
    known = [{"reverse", "tcp:#{Epmd.port()}"} | nodes]
    for {direction, same, same} <- standing, {direction, same} in known, do: {direction, same}
  end

  defp remove(serial, tunnels) do
    Enum.reduce_while(tunnels, :ok, fn {direction, from}, :ok ->
      case Command.run(["-s", serial, direction, "--remove", from], serial, @timeout) do
        {:ok, _} -> {:cont, :ok}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end
end
