defmodule Hotpush.Error.Prose.Adb do
  @moduledoc "Why a device behind adb could not be reached. Serial numbers are as adb prints them."

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence("adb", :adb_missing),
    do: "adb is not installed, so no device behind it is seen (Debian: apt install adb)."

  def sentence(serial, :adb_missing) do
    "#{serial} is to be reached by adb, but adb is not installed: no program of this name is in " <>
      "PATH (Debian: apt install adb)."
  end

  def sentence(serial, {:adb_timeout, ms}) do
    "#{serial}: adb did not answer within #{ms} ms. Unplug the device and plug it in again, " <>
      "or start adb's server anew: adb kill-server."
  end

  def sentence(serial, {:adb_failed, said}),
    do: "#{serial}: adb says #{inspect(said)}. See what \"adb devices -l\" prints."

  def sentence(serial, {:adb_no_device, _near, []}) do
    "#{serial}: adb knows no device at all. Plug it in and allow USB debugging on it, " <>
      "or give adb connect ADDRESS:5555."
  end

  def sentence(serial, {:adb_no_device, [], there}),
    do: "#{serial}: adb knows no device whose serial number begins so, it knows #{list(there)}."

  def sentence(serial, {:adb_no_device, near, there}) do
    "#{serial}: adb knows no device whose serial number begins so. " <>
      "Did you mean #{list(near, " or ")}? It knows #{list(there)}."
  end

  def sentence(prefix, {:adb_ambiguous, serials}) do
    "#{prefix} is the beginning of several serial numbers: #{list(serials)}. " <>
      "Give more of the one that is meant."
  end

  def sentence(serial, {:adb_state, :offline}) do
    "#{serial} is offline for adb. Unplug it and plug it in again, or give adb reconnect offline " <>
      "(over a network: adb disconnect #{copied(serial)}, then adb connect #{copied(serial)})."
  end

  def sentence(serial, {:adb_state, state}) when state in [:unauthorized, :authorizing] do
    "#{serial} does not allow this host to debug it yet. Unlock it and answer \"Allow USB " <>
      "debugging?\" there with yes; adb reconnect asks again."
  end

  def sentence(serial, {:adb_state, :no_permissions}) do
    "#{serial}: this user may not open the USB device. Install its udev rules " <>
      "(Debian: apt install android-sdk-platform-tools-common), be in the group plugdev, " <>
      "and plug it in again."
  end

  def sentence(serial, {:adb_state, state}) do
    "#{serial} is in the state \"#{state}\" for adb, where no node runs. " <>
      "Boot it into its system: adb -s #{copied(serial)} reboot."
  end

  def sentence(serial, {:adb_no_epmd, port, reason}) do
    "#{serial}: no epmd runs on this host at port #{port}, and none could be started " <>
      "(#{inspect(reason)}). The device's node registers there: start one with epmd -daemon."
  end

  def sentence(serial, {:adb_reversed, port, other}) do
    "#{serial}: its port #{port}, where a node looks for epmd, is tunnelled to #{other} of this " <>
      "host by another program. If it needs it no more: adb -s #{copied(serial)} reverse --remove " <>
      "tcp:#{port}."
  end

  def sentence(serial, {:adb_epmd_there, port, said}) do
    "#{serial}: no tunnel can begin at its port #{port} (adb says #{inspect(said)}): most likely " <>
      "an epmd of its own runs there. End that one and start the node with -start_epmd false, " <>
      "so that it registers with this host's."
  end

  def sentence(serial, {:adb_no_node, names}) do
    "#{serial}: none of the nodes that this host's epmd knows#{known(names)} is on it. " <>
      start_there("name@127.0.0.1")
  end

  def sentence(serial, {:adb_not_registered, name, names}) do
    "#{serial}: its node #{name} is not registered with this host's epmd#{known(names)}. " <>
      start_there("#{name}@127.0.0.1")
  end

  def sentence(serial, {:adb_elsewhere, name, port}) do
    "#{serial}: this host's epmd knows #{name} at port #{port}, but nobody on this device listens " <>
      "there: that node runs elsewhere. Give the device's node another name."
  end

  def sentence(serial, {:adb_nodes, names}) do
    "#{serial} may have any of several nodes: #{list(names)}. Name the one that is meant beside " <>
      "the serial number: node = \"name@127.0.0.1\"."
  end

  def sentence(serial, {:adb_port_of, port, other}) do
    "#{serial}: its node listens on port #{port}, but that port of this host already leads to " <>
      "#{other}. " <> own_port(port)
  end

  def sentence(serial, {:adb_port_taken, port}) do
    "#{serial}: its node listens on port #{port}, but another program of this host has that " <>
      "port. End it, or: " <> own_port(port)
  end

  def sentence(_serial, {:adb_same_node, node, serials}) do
    "#{list(serials, " and ")} both have a node #{node}, and a VM can be connected to one node of a " <>
      "name only. Give one of them another name, or push to them one after the other, " <>
      "with the tunnels of the first taken down and its node stopped."
  end

  def sentence(serial, {:adb_silent, name, port}) do
    "#{serial}: its node #{name} does not say its full name at port #{port} (it may use TLS). " <>
      "Name it beside the serial number: node = \"#{copied(name, "NAME")}@127.0.0.1\"."
  end

  def sentence(serial, {:adb_host, node}) do
    "#{serial}: its node is #{node}, and that host is not reached through adb's tunnels, which " <>
      "begin at this host's loopback. " <> start_there("name@127.0.0.1")
  end

  defp start_there(node) do
    "Start the device's node as #{node}, with -start_epmd false; the tunnel to epmd is open " <>
      "now, and a node that is up registers within seconds."
  end

  defp own_port(port) do
    "Give each device's node a port of its own: " <>
      "-kernel inet_dist_listen_min #{port + 1} inet_dist_listen_max #{port + 1}."
  end

  defp known([]), do: ""
  defp known(names), do: " (#{list(names)})"

  defp list(items, last \\ ", "), do: Enum.map_join(items, last, &Hotpush.Text.name/1)

  # In what is there to be copied, only what means nothing to a shell.
  defp copied(text, instead \\ "SERIAL"),
    do: if(text =~ ~r/\A[A-Za-z0-9][A-Za-z0-9_.:-]*\z/, do: text, else: instead)
end
