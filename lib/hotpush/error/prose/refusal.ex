defmodule Hotpush.Error.Prose.Refusal do
  @moduledoc "The sentences for refusals: what Hotpush does not do to a device, and what would change that."

  alias Hotpush.Error.Prose.Phrases
  alias Hotpush.Text

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(node, {:otp_older, host, device}) do
    "#{node} runs Erlang/OTP #{Text.name(device)}, but this host compiles with #{host}, whose code " <>
      "older releases cannot load. Compile with the device's release, or update the firmware."
  end

  def sentence(node, {:elixir_differs, host, device}) do
    "#{node} runs Elixir #{Text.name(device)}, but this host compiles with #{host}. " <>
      "Use the same minor version on both, or pass --force if you know that the code runs there."
  end

  def sentence(node, :no_elixir) do
    "#{node} has no Elixir, and pushing to a pure Erlang node is not supported yet. " <>
      "Is it the right node?"
  end

  def sentence(node, {:other_project, apps, running}) do
    "#{node} runs none of this project's applications (#{Enum.join(apps, ", ")})" <>
      running_instead(running) <>
      ". Is it the right device? Use --force to push anyway."
  end

  def sentence(node, {:target_differs, host, device}) do
    "#{node} was built for the target #{Text.quoted(device)}, but this build is for #{host}. " <>
      "Set MIX_TARGET to the device's target and run the command again, or pass --force."
  end

  def sentence(node, {:protocol_loses, protocol, modules}) do
    "#{Text.name(protocol)} is consolidated here without #{Text.names(modules)}, " <>
      "which #{node} has and keeps: calls would fail there. " <>
      "Push from the umbrella's root, where all implementations are known, or pass --force."
  end

  def sentence(node, {:not_consolidated, protocols}) do
    "#{node} runs #{Text.names(protocols)} consolidated, but this build has no consolidated " <>
      "version to replace it with. Run mix compile --force, then push again. " <>
      "If you want no consolidation on the device, set consolidate_protocols: false in mix.exs."
  end

  def sentence(node, {:protocol_gains, protocol, modules}) do
    "#{protocol} is consolidated here with #{Enum.join(modules, ", ")}, " <>
      "which #{node} does not have and this push leaves out: calls would fail there. " <>
      "Push without --app, --module and app_name:, or pass --force."
  end

  def sentence(node, {:name_taken, modules}) do
    "on #{node}, Elixir or Erlang/OTP has modules named #{Enum.join(modules, ", ")}: " <>
      "your project's would replace them for everything that runs there. " <>
      "Rename your modules, or pass --force."
  end

  def sentence(node, {:nif_loaded, modules}) do
    "firmware needed: #{Text.names(modules)} has native code loaded on #{node}, " <>
      "and most native libraries refuse to be replaced. Update the firmware, or pass --force to try."
  end

  def sentence(node, {:held, holders}) do
    "processes on #{node} still run code that an earlier push replaced; " <>
      "loading now would kill them: #{Phrases.holders(holders)}. " <>
      "Restart them, or pass --purge kill."
  end

  def sentence(node, {:lived_by, living}) do
    "modules that this project no longer has are still needed on #{node}: " <>
      "#{Phrases.living(living)}. Without them, these processes crash at their next message, " <>
      "and no supervisor can start them again. Stop them there and delete them from their " <>
      "supervisors, or update the firmware, or pass --force."
  end

  def sentence(node, {:not_loadable, errors}) do
    list =
      Enum.map_join(errors, ", ", fn {m, r} ->
        "#{Text.name(m)} (#{String.trim(Phrases.load_reason(r), ".")})"
      end)

    "#{node} cannot load #{list}. Nothing was changed there."
  end

  def sentence(node, {:unready, ms}) do
    "#{node} could not be checked within #{ms} ms: one of its processes or its code server does " <>
      "not respond. Nothing was changed. Use --timeout MS to wait longer."
  end

  def sentence(node, {:busy, who, seconds}) do
    "#{node} is busy with another push#{by(who, seconds)}. " <>
      "Run the command again when that one has ended, or use --wait."
  end

  def sentence(node, :silent) do
    "#{node} received nothing from this computer for 5 s during the push, " <>
      "and dropped what was sent. Run the command again."
  end

  def sentence(node, :changed) do
    "somebody else changed the code on #{node} during this push. " <>
      "This push changed nothing there. Run the command again."
  end

  @doc "Who pushes, and since when. The device says both, so they are checked."
  @spec by(String.t(), integer()) :: String.t()
  def by(who, seconds) do
    if who =~ ~r/\A[\w.+-]{1,64}@[\w.-]{1,64}\z/u and seconds >= 0,
      do: ", which \"#{who}\" started #{seconds} s ago",
      else: ""
  end

  defp running_instead([]), do: ""
  defp running_instead(apps), do: "; it runs #{Text.names(apps)}"
end
