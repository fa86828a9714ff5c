defmodule Hotpush.Error.Prose do
  @moduledoc """
  The sentences for errors and refusals: what was expected, what happened, what to do next.
  """

  alias Hotpush.{Error, Text}
  alias Hotpush.Error.Prose.{Connect, Discover, Phrases, Refusal, Scan, Ssh, Usage}

  @doc "One or more sentences, without a line break at the end."
  @spec sentence(Error.t()) :: String.t()
  def sentence(%{called: called} = error) when called != nil do
    sentence = sentence(%{error | called: nil})

    case String.split(sentence, to_string(error.subject), parts: 2) do
      [before, rest] -> before <> called <> rest
      [sentence] -> "#{called}: #{sentence}"
    end
  end

  def sentence(%{stage: :usage, subject: place, reason: {:settings_value, error}}),
    do: "#{place}: #{sentence(error)}"

  def sentence(%{stage: :usage} = error), do: Usage.sentence(error.subject, error.reason)

  def sentence(%{stage: :compile, reason: {:compile, message}}) when is_binary(message) do
    "the project cannot be compiled, so nothing was pushed: " <>
      Enum.join(String.split(message), " ")
  end

  def sentence(%{stage: :compile, subject: file, reason: :syntax}),
    do: "#{file} is not valid Elixir. The watch starts again when you have corrected it."

  def sentence(%{stage: :compile}),
    do: "the project does not compile, so nothing was pushed: see the compiler's messages."

  def sentence(%{stage: :connect} = error) do
    Ssh.sentence(error.subject, error.reason) || Connect.sentence(error.subject, error.reason)
  end

  def sentence(%{stage: :discover} = error),
    do: Discover.sentence(error.subject, error.reason)

  def sentence(%{stage: :refusal} = error), do: Refusal.sentence(error.subject, error.reason)
  def sentence(%{stage: :scan} = error), do: Scan.sentence(error.subject, error.reason)

  def sentence(%{stage: :fault, reason: {:fault, what, where}} = error) do
    place = if where, do: " in #{where}", else: ""

    "#{error.subject}: this is a bug in Hotpush, not in your project or on the device: " <>
      "#{what}#{place}. Run the command again to see what the device is running. " <>
      "Please report this message."
  end

  def sentence(%{} = error), do: device(error.subject, error.stage, error.reason)

  @doc "The kind of a reason, as in the JSON document."
  @spec kind(Error.t()) :: String.t()
  def kind(%{reason: reason}) when is_atom(reason), do: to_string(reason)

  def kind(%{reason: reason})
      when is_tuple(reason) and tuple_size(reason) > 0 and is_atom(elem(reason, 0)),
      do: to_string(elem(reason, 0))

  def kind(_error), do: "unknown"

  # What went wrong on the device

  defp device(node, :load, {:unknown, reason, why}) do
    "#{lost(node, :load, reason)}, and the device could not be asked again: #{sentence(why)} " <>
      "It is unknown whether the device runs the new code. " <>
      "Run the command again: it asks the device first."
  end

  defp device(node, :load, {:given_up, ms}) do
    "#{node} did not finish within #{ms} ms, and it is unknown whether it runs the new code. " <>
      "Run the command again: it asks the device first."
  end

  defp device(node, :load, :still_busy),
    do: "a push to #{node} is still running."

  defp device(node, :load, :restarted),
    do: "#{node} restarted while it was loading the code, which is lost. Run the command again."

  defp device(node, :load, {:timeout, _} = reason) do
    "#{lost(node, :load, reason)}. Hotpush then asked again what it runs. " <>
      "Use --timeout MS to wait longer."
  end

  defp device(node, :load, :connection_lost),
    do: "#{lost(node, :load, :connection_lost)}. Hotpush then asked again what it runs."

  defp device(node, stage, {:timeout, _} = reason) do
    "#{lost(node, stage, reason)}. Nothing was changed there. Use --timeout MS to wait longer."
  end

  defp device(node, stage, :connection_lost),
    do: "#{lost(node, stage, :connection_lost)}. Nothing was changed there."

  defp device(node, stage, {:raised, _} = reason),
    do: "#{lost(node, stage, reason)}. Hotpush tried nothing more."

  defp device(module, :load, {:not_loaded, reason}),
    do: "#{Text.name(module)} was not loaded: #{Phrases.load_reason(reason)}"

  defp device(module, :load, :other_code),
    do:
      "#{Text.name(module)} was sent, but the device runs a different version: " <>
        "somebody else may have loaded that one."

  defp device(module, :load, :still_there),
    do: "#{Text.name(module)} should have been removed, but the device still has it."

  defp device(node, stage, {:unreadable, _} = reason), do: "#{lost(node, stage, reason)}."

  defp lost(node, stage, {:timeout, ms}),
    do: "#{node} did not answer within #{ms} ms while it was #{doing(stage)}"

  defp lost(node, stage, :connection_lost),
    do: "the connection to #{node} was lost while it was #{doing(stage)}"

  defp lost(node, stage, {:raised, text}),
    do: "#{node} failed while it was #{doing(stage)}: #{Text.quoted(text, 500)}"

  defp lost(node, stage, {:unreadable, what}),
    do: "#{node} gave an answer that Hotpush cannot read (#{what}) while it was #{doing(stage)}"

  defp doing(:ask), do: "being asked what it runs"
  defp doing(:stage), do: "receiving the code"
  defp doing(:load), do: "loading the code"
end
