defmodule Hotpush.Transport.Adb.Tunnel do
  @moduledoc """
  The two tunnels through which a node behind adb is an ordinary node of this host:

    * `adb reverse` of epmd's port: the device's node registers with the epmd of this host
    * `adb forward` of the node's distribution port, the same number on both sides

  They stay until they are closed, the device is unplugged or adb's server ends. So the node stays
  registered, and the next push finds it at once.
  """

  alias Hotpush.Transport.Adb.Devices
  alias Hotpush.Transport.Adb.{Claims, Command, Forward, Origin}
  alias Hotpush.Error
  alias Hotpush.Transport.Dist.Epmd

  @timeout 5_000
  # A node registers again 2 s after it lost its epmd (kernel's erl_epmd).
  @registers 3_000

  @doc """
  Sets up the tunnels that the device `serial` does not have yet, and returns its node: the given one, or
  the one that is found (see `Hotpush.Transport.Adb.Origin`).

  Returns an error if this VM is connected to a node of the same name on another device.
  """
  @spec open(String.t(), node() | nil) :: {:ok, node()} | {:error, Error.t()}
  def open(serial, node \\ nil) do
    with {:ok, devices} <- Devices.devices(10_000, serial),
         {:ok, device} <- Devices.find(serial, devices),
         serial = device.serial,
         :ok <- Devices.usable(device),
         forget_others(devices),
         :ok <- unclaimed(serial, node),
         {:ok, names} <- names(serial),
         {:ok, fresh?} <- reverse(serial),
         wait = if(fresh?, do: @registers, else: 0),
         {:ok, name, port} <- origin(serial, node, names, wait),
         :ok <- forward(serial, node || name, port),
         {:ok, node} <- Origin.full_name(serial, node, name, port),
         :ok <- unclaimed(serial, node) do
      Claims.put_node(serial, node)
      {:ok, node}
    end
  end

  @doc "The node of the device `serial`, if this VM has opened the tunnels to it."
  @spec node(String.t()) :: node() | nil
  def node(serial), do: Claims.get(serial).node

  @doc """
  Takes down the tunnels of the device `serial` that this VM has set up. Tunnels that existed before, or
  that belong to another program, stay; see `Hotpush.Transport.Adb.Teardown` for those of other VMs.
  """
  @spec close(String.t()) :: :ok
  def close(serial) do
    for {direction, from} <- Claims.get(serial).ours do
      # The tunnel or the device is already gone, so there is nothing to take down.
      Command.run(["-s", serial, direction, "--remove", from], serial, @timeout)
    end

    Claims.delete(serial)
  end

  defp names(serial) do
    with {:error, reason} <- Epmd.local(@timeout),
         do: {:error, Error.new(:connect, serial, {:adb_no_epmd, Epmd.port(), reason})}
  end

  defp reverse(serial) do
    port = Epmd.port()
    there = "tcp:#{port}"

    with {:ok, text} <- Command.run(["-s", serial, "reverse", "--list"], serial, @timeout) do
      case Forward.reversed(text, there) do
        ^there -> {:ok, false}
        nil -> reverse(serial, there, port)
        other -> {:error, Error.new(:connect, serial, {:adb_reversed, port, other})}
      end
    end
  end

  defp reverse(serial, there, port) do
    case Command.run(["-s", serial, "reverse", there, there], serial, @timeout) do
      {:ok, _} ->
        Claims.put_tunnel(serial, {"reverse", there})
        {:ok, true}

      {:error, %{reason: {:adb_failed, said}}} ->
        {:error, Error.new(:connect, serial, {:adb_epmd_there, port, said})}

      error ->
        error
    end
  end

  # The node is not there: a device whose tunnel leads to that port has the node of this name.
  defp origin(serial, node, names, wait) do
    with {:error, %{reason: {:adb_elsewhere, _, port}} = error} <-
           Origin.find(serial, node, names, wait),
         {:ok, text} <- Command.run(["forward", "--list"], serial, @timeout) do
      case Forward.forwarded(text, "tcp:#{port}") do
        {other, _} when other != serial -> same_node(serial, node, other)
        _ -> {:error, error}
      end
    end
  end

  defp forward(serial, node, port) do
    here = "tcp:#{port}"

    with {:ok, text} <- Command.run(["forward", "--list"], serial, @timeout) do
      case Forward.forwarded(text, here) do
        nil -> forward(serial, here, port, Forward.free?(port))
        {^serial, ^here} -> :ok
        {other, to} -> taken(serial, node, port, {other, to == here})
      end
    end
  end

  # There is one name for this port, and another device's node answers there, so the name is that node's.
  defp taken(serial, node, port, {other, same_port?}) do
    with true <- same_port? and other != serial,
         {:ok, names} <- Epmd.local(@timeout),
         [_] <- for({name, ^port} <- names, do: name) do
      same_node(serial, node, other)
    else
      _ -> {:error, Error.new(:connect, serial, {:adb_port_of, port, other})}
    end
  end

  defp forward(serial, _here, port, false),
    do: {:error, Error.new(:connect, serial, {:adb_port_taken, port})}

  defp forward(serial, here, _port, true) do
    arguments = ["-s", serial, "forward", "--no-rebind", here, here]

    with {:ok, _} <- Command.run(arguments, serial, @timeout) do
      Claims.put_tunnel(serial, {"forward", here})
    end
  end

  # A VM can know only one node of a name.
  defp unclaimed(_serial, nil), do: :ok

  defp unclaimed(serial, node) do
    case Enum.find(Claims.all(), fn {other, known} -> other != serial and known.node == node end) do
      nil -> :ok
      {other, _} -> same_node(serial, node, other)
    end
  end

  defp same_node(serial, node, other),
    do: {:error, Error.new(:connect, serial, {:adb_same_node, node, Enum.sort([serial, other])})}

  # The tunnels of an unplugged device are gone, and so is its claim to a name.
  defp forget_others(devices) do
    there = for %{state: :device, serial: serial} <- devices, do: serial
    Claims.only(there)
  end
end
