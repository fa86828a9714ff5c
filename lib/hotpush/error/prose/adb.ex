defmodule Hotpush.Error.Prose.Adb do
  @moduledoc """
  The sentences for a device behind adb that could not be reached. Serial numbers are as adb prints
  them.
  """

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence("adb", :adb_missing),
    do: "adb is not installed, so devices behind it are not found (Debian: apt install adb)."

  def sentence(serial, :adb_missing) do
    "#{serial} needs adb to be reached, but adb is not installed: there is no such program in " <>
      "PATH (Debian: apt install adb)."
  end

  def sentence(serial, {:adb_timeout, ms}) do
    "#{serial}: adb did not answer within #{ms} ms. Unplug the device and plug it in again, " <>
      "or restart adb's server: adb kill-server."
  end

  def sentence(serial, {:adb_failed, said}),
    do: "#{serial}: adb says #{inspect(said)}. Run \"adb devices -l\" to see the devices."

  def sentence(serial, {:adb_no_device, _near, []}) do
    "#{serial}: adb knows no device. Plug the device in and allow USB debugging on it, " <>
      "or run adb connect ADDRESS:5555."
  end

  def sentence(serial, {:adb_no_device, [], there}),
    do:
      "#{serial}: adb knows no device whose serial number begins like this. It knows #{list(there)}."

  def sentence(serial, {:adb_no_device, near, there}) do
    "#{serial}: adb knows no device whose serial number begins like this. " <>
      "Did you mean #{list(near, " or ")}? It knows #{list(there)}."
  end

  def sentence(prefix, {:adb_ambiguous, serials}) do
    "#{prefix} is the beginning of several serial numbers: #{list(serials)}. " <>
      "Use more characters of the right one."
  end

  def sentence(serial, {:adb_state, :offline}) do
    "#{serial} is offline for adb. Unplug it and plug it in again, or run adb reconnect offline " <>
      "(over a network: adb disconnect #{copied(serial)}, then adb connect #{copied(serial)})."
  end

  def sentence(serial, {:adb_state, state}) when state in [:unauthorized, :authorizing] do
    "#{serial} does not allow this host to debug it yet. Unlock it and answer yes to \"Allow USB " <>
      "debugging?\"; adb reconnect makes it ask again."
  end

  def sentence(serial, {:adb_state, :no_permissions}) do
    "#{serial}: your user may not open the USB device. Install its udev rules " <>
      "(Debian: apt install android-sdk-platform-tools-common), add your user to the group " <>
      "plugdev, and plug the device in again."
  end

  def sentence(serial, {:adb_state, state}) do
    "#{serial} is in the state \"#{state}\" for adb, in which no node runs. " <>
      "Boot its system: adb -s #{copied(serial)} reboot."
  end

  def sentence(serial, {:adb_no_epmd, port, reason}) do
    "#{serial}: no epmd runs on this host on port #{port}, and none could be started " <>
      "(#{inspect(reason)}). The device's node registers there: start one with epmd -daemon."
  end

  def sentence(serial, {:adb_reversed, port, other}) do
    "#{serial}: another program tunnels the device's port #{port}, where a node looks for epmd, to " <>
      "#{other} of this host. If that tunnel is no longer needed, run " <>
      "adb -s #{copied(serial)} reverse --remove tcp:#{port}."
  end

  def sentence(serial, {:adb_epmd_there, port, said}) do
    "#{serial}: no tunnel can begin at its port #{port} (adb says #{inspect(said)}): most likely " <>
      "the device runs an epmd of its own. Stop that one and start the node with -start_epmd " <>
      "false, so that it registers with this host's epmd."
  end

  def sentence(serial, {:adb_no_node, names}) do
    "#{serial}: none of the nodes that this host's epmd knows#{known(names)} is on this device. " <>
      start_there("name@127.0.0.1")
  end

  def sentence(serial, {:adb_not_registered, name, names}) do
    "#{serial}: its node #{name} is not registered with this host's epmd#{known(names)}. " <>
      start_there("#{name}@127.0.0.1")
  end

  def sentence(serial, {:adb_elsewhere, name, port}) do
    "#{serial}: this host's epmd knows #{name} at port #{port}, but nothing on this device listens " <>
      "there: that node runs elsewhere. Give the device's node another name."
  end

  def sentence(serial, {:adb_nodes, names}) do
    "#{serial}: each of several nodes may be the device's: #{list(names)}. Name the right one next " <>
      "to the serial number: node = \"name@127.0.0.1\"."
  end

  def sentence(serial, {:adb_port_of, port, other}) do
    "#{serial}: its node listens on port #{port}, but on this host, that port already leads to " <>
      "#{other}. " <> own_port(port)
  end

  def sentence(serial, {:adb_port_taken, port}) do
    "#{serial}: its node listens on port #{port}, but another program on this host uses that " <>
      "port. Stop that program, or: " <> own_port(port)
  end

  def sentence(_serial, {:adb_same_node, node, serials}) do
    "#{list(serials, " and ")} both have a node #{node}, and a VM can connect to only one node of " <>
      "a name. Give one of them another name, or push to them one after the other: before the " <>
      "second, stop the first one's node and take down its tunnels."
  end

  def sentence(serial, {:adb_silent, name, port}) do
    "#{serial}: its node #{name} does not tell its full name on port #{port} (it may use TLS). " <>
      "Name it next to the serial number: node = \"#{copied(name, "NAME")}@127.0.0.1\"."
  end

  def sentence(serial, {:adb_host, node}) do
    "#{serial}: its node is #{node}, but adb's tunnels do not lead to that host: they begin at " <>
      "this host's loopback. " <> start_there("name@127.0.0.1")
  end

  defp start_there(node) do
    "Start the device's node as #{node}, with -start_epmd false. The tunnel to epmd is open " <>
      "now, so a running node registers within seconds."
  end

  defp own_port(port) do
    "Give each device's node a port of its own: " <>
      "-kernel inet_dist_listen_min #{port + 1} inet_dist_listen_max #{port + 1}."
  end

  defp known([]), do: ""
  defp known(names), do: " (#{list(names)})"

  defp list(items, last \\ ", "), do: Enum.map_join(items, last, &Hotpush.Text.name/1)

  # What is meant to be copied must have no special meaning in a shell.
  defp copied(text, instead \\ "SERIAL"),
    do: if(text =~ ~r/\A[A-Za-z0-9][A-Za-z0-9_.:-]*\z/, do: text, else: instead)
end
