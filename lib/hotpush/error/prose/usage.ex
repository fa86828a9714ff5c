defmodule Hotpush.Error.Prose.Usage do
  @moduledoc "The sentences for what is wrong with the command or the configuration."

  alias Hotpush.Error.Prose.Settings

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(_discover, :none_confirmed) do
    "no device to push to: none is named, and none of the devices that were found is confirmed. " <>
      "Run mix upload.hotswap --discover in a terminal, or name a device, as in " <>
      "mix upload.hotswap nerves.local."
  end

  def sentence(option, {:unknown_option, task, near}),
    do: "unknown option #{option}: \"mix help #{task}\" lists them." <> did_you_mean(near)

  def sentence(_option, {:help, task}), do: "For all options, run: mix help #{task}"

  def sentence(option, :port_option) do
    "unknown option #{option}: write the port after the host, as in " <>
      "mix upload.hotswap nerves.local:2222."
  end

  def sentence(option, {:contradiction, other}),
    do: "#{option} and #{other} contradict each other: use only one of them."

  def sentence(_option, :cookie_with_space) do
    "an argument follows the cookie (not shown). Put a cookie with spaces in quotes, " <>
      "and name a host before --cookie."
  end

  def sentence(option, {:bad_value, value, expected, near}),
    do: "#{option} takes #{expected}, got #{value}." <> did_you_mean(near)

  def sentence(argument, {:unexpected_argument, task, near}) do
    "unexpected argument #{argument}: \"mix help #{task}\" lists the options." <>
      did_you_mean(near)
  end

  def sentence(path, :no_nodes) when path != nil do
    "#{path} names no device yet. Remove the # in front of yours, or name a device, as in " <>
      "mix upload.hotswap nerves.local."
  end

  def sentence(_config, :no_nodes) do
    "no device is named. Name a host that answers ssh, as in mix upload.hotswap nerves.local, " <>
      "or a node with --node name@host, or set config :hotpush, nodes: [:\"name@host\"], or name " <>
      "your devices in a hotpush.toml, which mix hotpush.init writes."
  end

  def sentence(key, {:unknown_key, near}) do
    "there is no option #{key}: here, see Hotpush's documentation." <>
      did_you_mean(Enum.map(near, &(&1 <> ":")))
  end

  # What was given instead is not shown: there may be a cookie in it.
  def sentence(_options, :no_keywords),
    do: "the options must be a keyword list, as in node: \"example@nerves.local\"."

  def sentence(key, {:bad_option, :hidden}),
    do: "#{key}: takes a string or an atom."

  def sentence(key, {:bad_id, got}),
    do: "#{key}: takes a string or an atom, got #{inspect(got, limit: 5, printable_limit: 100)}."

  def sentence(:discover, :of_the_task) do
    "discover: is an option of the mix task only. Name the device, as mix hotpush.devices lists it."
  end

  def sentence(:json, :of_the_task) do
    "json: is an option of the mix task only. This function returns the report itself; " <>
      "Hotpush.Report.Document.of/1 makes the document from it."
  end

  def sentence(key, {:bad_option, got}) do
    "#{key}: takes a string, an atom, a number, true or false, or a list of them, " <>
      "got #{inspect(got, limit: 5, printable_limit: 100)}."
  end

  def sentence(key, {:unknown_config, near, known}) do
    "config :hotpush has no key #{key}:. Its keys are #{Enum.join(known, ", ")}." <>
      did_you_mean(near)
  end

  def sentence(key, {:bad_config, expected}),
    do: "config :hotpush, #{key}: should be #{expected}."

  def sentence(name, :bad_node),
    do:
      "#{shown(name)} is not a node name: it has the form name@host, as in example@nerves.local."

  def sentence(name, {:node_port, bare}) do
    "#{shown(name)} is not a node name: leave out the port, which epmd knows, " <>
      "as in --node #{bare}."
  end

  def sentence(address, :bad_host) do
    "#{shown(address)} is not a host to reach by ssh: it has the form [user@]host[:port], " <>
      "as in nerves.local."
  end

  def sentence(address, :bad_port),
    do: "#{shown(address)} is not a host to reach by ssh: a port is a number from 1 to 65535."

  def sentence(address, :long_host) do
    "#{shown(address)} is not a host to reach by ssh: a host name has at most 253 characters, " <>
      "and 63 between its dots."
  end

  def sentence(number, :bare_port) do
    "#{shown(number)} is not a host to reach by ssh: write the port after the host, " <>
      "as in nerves.local:#{number}."
  end

  def sentence(serial, :bad_serial),
    do: "#{shown(serial)} is not the serial number of a device: \"adb devices\" lists them."

  def sentence(name, {:no_such_module, near}),
    do: "no module of this project is named #{name}." <> did_you_mean(near)

  def sentence(name, :way_not_pushed) do
    "#{name} finds devices (config :hotpush, discovery:): it runs on this computer only, and is " <>
      "never pushed."
  end

  def sentence(name, {:no_such_app, near}),
    do: "no application of this project is named #{name}." <> did_you_mean(near)

  def sentence(_name, :itself),
    do: "hotpush itself is never pushed: it runs on this computer only."

  def sentence(path, :not_compiled) do
    "#{path} has no compiled code of this project: run mix compile first."
  end

  def sentence(_project, :no_project),
    do: "there is no mix.exs here: run this in the folder of the project that you want to push."

  def sentence(_path, :unfinished) do
    "this run has not ended: it is still running, or it was interrupted. " <>
      "Run the command again to see what the devices are running."
  end

  def sentence(path, {:json_not_written, reason}),
    do: "--json could not write #{path}: #{:file.format_error(reason)}."

  # All other reasons are about hotpush.toml.
  def sentence(subject, reason), do: Settings.sentence(subject, reason)

  # Quotes show where a name begins and ends if it is empty or has spaces. A long name is cut, so that
  # the rest of the message is seen.
  defp shown(text) do
    text = to_string(text)
    cut = if String.length(text) > 80, do: String.slice(text, 0, 77) <> "...", else: text
    if text == "" or text =~ ~r/\s/, do: "\"#{cut}\"", else: cut
  end

  defp did_you_mean([]), do: ""
  defp did_you_mean(near), do: " Did you mean #{Enum.join(near, ", ")}?"
end
