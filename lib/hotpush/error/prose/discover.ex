defmodule Hotpush.Error.Prose.Discover do
  @moduledoc "The sentences for searches that failed, and for found devices that cannot be used."

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(:mdns, :no_native_library) do
    "mDNS is not available: it needs the native library, which is not installed. " <>
      "Install Rust 1.91 or later (rustup.rs) and run mix deps.compile hotpush --force. " <>
      "You can still name devices."
  end

  def sentence(:mdns, :too_many),
    do: "mDNS: too many searches are running in this VM. Wait until they have ended."

  def sentence(:mdns, {:system, text}) do
    "mDNS: this host cannot listen (#{text}). " <>
      "Is it on a network, and may programs use UDP port 5353 here?"
  end

  def sentence(way, {:timeout, ms}),
    do: "#{way(way)} did not answer within #{ms} ms. Use --timeout MS to wait longer."

  def sentence(way, {:raised, text}),
    do: "#{way(way)} failed: #{text}. The other searches continued."

  def sentence(way, {:bad_answer, got}) do
    "#{way(way)} should return {:ok, [%Hotpush.Discovery.Found{}]} " <>
      "or {:error, %Hotpush.Error{}}, got #{String.slice(got, 0, 200)}."
  end

  def sentence(way, :no_such_way) do
    "#{way(way)} has no function discover/1: " <>
      "config :hotpush, discovery: lists modules with the behaviour Hotpush.Discovery."
  end

  def sentence(way, :way_not_compiled) do
    "the module #{inspect(way)} is not compiled, so it cannot search: run mix compile first, " <>
      "or correct its name in config :hotpush, discovery:."
  end

  def sentence(name, :no_nodes_there) do
    "#{name} runs epmd, but no node is registered there, and it does not offer ssh. " <>
      "Start distribution on the device."
  end

  def sentence(build, :slow_scan) do
    "#{build} was not read in time, so nothing was compared. Use --timeout MS to wait longer."
  end

  def sentence(name, :key_changed) do
    "the host key of #{name} is not the one that you confirmed: it may be another device, " <>
      "or have new firmware. Confirm it again with mix upload.hotswap --discover."
  end

  def sentence(name, :no_host_key) do
    "#{name} showed no ssh host key, so Hotpush cannot remember the device. " <>
      "Does it answer ssh, and is OpenSSH installed here?"
  end

  def sentence(path, {:bad_confirmed, line}) do
    "#{path}, line #{line}: Hotpush did not write this line. " <>
      "Remove the line or the file, then confirm your devices again."
  end

  def sentence(path, {:confirmed_by_others, mode}) do
    "other users can write to #{path} (mode #{mode}), so no device counts as confirmed: " <>
      "run chmod 600 on it."
  end

  def sentence(path, {:not_read, reason}) do
    "cannot read #{path} (#{:file.format_error(reason)}), " <>
      "so no device counts as confirmed."
  end

  def sentence(path, {:not_written, reason}),
    do: "cannot write #{path} (#{:file.format_error(reason)}), so the confirmation is not kept."

  defp way(name) when name in [:mdns, :epmd, :adb], do: "the search by #{name}"
  defp way(name), do: inspect(name)
end
