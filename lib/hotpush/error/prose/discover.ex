defmodule Hotpush.Error.Prose.Discover do
  @moduledoc "Why a way to find devices, or one of those found, is of no use."

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(:mdns, :no_native_library) do
    "mDNS is not available: it needs the native library, which is not there. " <>
      "Install Rust 1.91 or later (rustup.rs) and run mix deps.compile hotpush --force. " <>
      "Devices can be named all the same."
  end

  def sentence(:mdns, :too_many),
    do: "mDNS: too many searches run in this VM already. Wait until they are over."

  def sentence(:mdns, {:system, text}) do
    "mDNS: this host cannot listen (#{text}). " <>
      "Is there a network, and may programs here use UDP port 5353?"
  end

  def sentence(way, {:timeout, ms}),
    do: "#{way(way)} did not answer within #{ms} ms. --timeout MS waits longer."

  def sentence(way, {:raised, text}),
    do: "#{way(way)} failed: #{text}. The other ways went on."

  def sentence(way, {:bad_answer, got}) do
    "#{way(way)} should answer {:ok, [%Hotpush.Discovery.Found{}]} " <>
      "or {:error, %Hotpush.Error{}}, got #{String.slice(got, 0, 200)}."
  end

  def sentence(way, :no_such_way) do
    "#{way(way)} has no function discover/1: " <>
      "config :hotpush, discovery: lists modules with the behaviour Hotpush.Discovery."
  end

  def sentence(way, :way_not_compiled) do
    "no module #{inspect(way)} is compiled here, so it finds nothing: run mix compile first, " <>
      "or correct its name in config :hotpush, discovery:."
  end

  def sentence(name, :no_nodes_there) do
    "#{name} has an epmd, but no node is registered there, and it offers no ssh. " <>
      "Start distribution on the device."
  end

  def sentence(build, :slow_scan) do
    "#{build} was not read in time, so nothing was compared. --timeout MS waits longer."
  end

  def sentence(name, :key_changed) do
    "the host key of #{name} is not the one that was confirmed: it may be another device, " <>
      "or new firmware. Confirm it again with mix upload.hotswap --discover."
  end

  def sentence(name, :no_host_key) do
    "#{name} showed no ssh host key, so it cannot be remembered by one. " <>
      "Does it answer ssh, and is OpenSSH installed here?"
  end

  def sentence(path, {:bad_confirmed, line}) do
    "#{path}, line #{line}: this is not what Hotpush wrote. " <>
      "Remove the line, or the file; devices are then confirmed anew."
  end

  def sentence(path, {:confirmed_by_others, mode}) do
    "#{path} can be written by others (mode #{mode}), so it confirms nothing: " <>
      "run chmod 600 on it."
  end

  def sentence(path, {:not_read, reason}) do
    "cannot read #{path} (#{:file.format_error(reason)}), " <>
      "so no device counts as confirmed."
  end

  def sentence(path, {:not_written, reason}),
    do: "cannot write #{path} (#{:file.format_error(reason)}): what was confirmed is not kept."

  defp way(name) when name in [:mdns, :epmd, :adb], do: "the search by #{name}"
  defp way(name), do: inspect(name)
end
