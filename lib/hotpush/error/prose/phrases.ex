defmodule Hotpush.Error.Prose.Phrases do
  @moduledoc "Parts of sentences that errors, refusals and notices share. Pure."

  alias Hotpush.Text

  @doc "Names processes that run old code, as `<0.9.0> Example.Loop (Elixir.Example)`."
  @spec holders([{String.t(), String.t(), String.t()}]) :: String.t()
  def holders(holders) do
    {shown, more} = Enum.split(holders, 10)
    text = Enum.map_join(shown, ", ", fn {pid, who, module} -> one({pid, who, module, ""}) end)
    if more == [], do: text, else: text <> " and #{length(more)} more"
  end

  @doc "Names processes and handlers that need a module, with their supervisors."
  @spec living([Hotpush.Plan.living()]) :: String.t()
  def living(living) do
    {shown, more} = Enum.split(living, 10)
    text = Enum.map_join(shown, ", ", &one/1)
    if more == [], do: text, else: text <> " and #{length(more)} more"
  end

  defp one({pid, who, module, supervisor}) do
    under = if supervisor == "", do: "", else: " under #{who(supervisor)}"
    String.trim("#{who(pid)} #{who(who)}") <> under <> " (#{Text.name(module)})"
  end

  # A pid, a registered name or an initial call, as Erlang writes them.
  defp who(""), do: ""

  defp who(text) do
    if text =~ ~r/\A(<\d+\.\d+\.\d+>|[\p{L}\p{M}\p{N}'_.:\/@{}, -]+)\z/u,
      do: text,
      else: Text.quoted(text)
  end

  @doc "Names functions, as `handle_call/3`."
  @spec functions([String.t()]) :: String.t()
  def functions(functions), do: Enum.map_join(functions, ", ", &who/1)

  @doc "Why the device did not load a module, with a full stop."
  @spec load_reason(term()) :: String.t()
  def load_reason(:on_load_failure) do
    "its on_load function failed, so the old code keeps running. " <>
      "A module with native code usually needs new firmware."
  end

  def load_reason({:on_load_timeout, ms}) do
    "its on_load function did not return within #{ms} ms and was ended, so the old code keeps " <>
      "running. Use --timeout MS to wait longer."
  end

  def load_reason(:on_load_stuck) do
    "its on_load function did not return and could not be ended: native code may be stuck. " <>
      "Restart the device."
  end

  def load_reason(:put_back),
    do: "another module failed, so the earlier code is running again."

  def load_reason(:no_file), do: "no file on the device contains the earlier code."

  def load_reason(:late),
    do: "the device did not finish loading in time. Run the command again to see what it runs."

  def load_reason(:not_purged),
    do: "a process began to use its old code at the same moment. Run the command again."

  def load_reason(:sticky_directory), do: "it is in a sticky directory on the device."
  def load_reason(:badfile), do: "the device's loader does not accept the file."
  def load_reason(:features_not_allowed), do: "it was compiled for a newer Erlang/OTP."
  def load_reason(:batch), do: "the whole batch was refused because of another module."
  def load_reason(:unanswered), do: "the answer was lost, and the device does not run it."
  def load_reason(reason), do: "#{inspect(reason)}."
end
