defmodule Hotpush.Error.Prose do
  @moduledoc """
  The sentences for errors and refusals: what was expected, what was got, what to do next.
  """

  alias Hotpush.Error

  @doc "One or more sentences, without a line break at the end."
  @spec sentence(Error.t()) :: String.t()
  def sentence(%Error{stage: :usage} = error), do: usage(error.subject, error.reason)
  def sentence(%Error{stage: :connect} = error), do: connect(error.subject, error.reason)
  def sentence(%Error{stage: :refusal} = error), do: refusal(error.subject, error.reason)
  def sentence(%Error{stage: :scan} = error), do: scan(error.subject, error.reason)
  def sentence(%Error{} = error), do: device(error.subject, error.stage, error.reason)

  @doc "The short kind of a reason, as it stands in the JSON document."
  @spec kind(Error.t()) :: String.t()
  def kind(%Error{reason: reason}) when is_tuple(reason), do: to_string(elem(reason, 0))
  def kind(%Error{reason: reason}) when is_atom(reason), do: to_string(reason)

  # Usage and configuration

  defp usage(option, :unknown_option),
    do: "unknown option #{option}: \"mix help upload.hotswap\" lists them."

  defp usage(option, {:bad_value, value, expected}),
    do: "#{option} takes #{expected}, got #{value}."

  defp usage(argument, :unexpected_argument),
    do: "unexpected argument #{argument}: name a device with --node NAME."

  defp usage(_config, :no_nodes) do
    "no device is named: give --node name@host, " <>
      "or set config :hotpush, nodes: [:\"name@host\"]."
  end

  defp usage(key, {:bad_config, expected}),
    do: "config :hotpush, #{key}: should be #{expected}."

  defp usage(name, :bad_node),
    do: "#{name} is not a node name: it has the form name@host, as in example@nerves.local."

  defp usage(name, {:no_such_module, near}),
    do: "no module of this project is named #{name}." <> did_you_mean(near)

  defp usage(name, {:no_such_app, near}),
    do: "no application of this project is named #{name}." <> did_you_mean(near)

  defp usage(_project, :no_project),
    do: "there is no mix.exs here: run this in the folder of the project whose code to push."

  defp usage(path, {:json_not_written, reason}),
    do: "--json could not write #{path}: #{:file.format_error(reason)}."

  # Scan

  defp scan(path, {kind, detail}), do: "#{path}: #{problem(kind)}#{detail(detail)}"

  defp problem(:truncated), do: "the file ends too early"
  defp problem(:empty), do: "the file is empty"
  defp problem(:not_a_beam), do: "this is not a beam file"
  defp problem(:bad_gzip), do: "the compressed data is damaged"
  defp problem(:too_large), do: "the file is larger than a beam file can sensibly be"
  defp problem(:bad_chunk), do: "a chunk is damaged"
  defp problem(:unreadable), do: "the file cannot be read"
  defp problem(:dangling_link), do: "the link leads nowhere"
  defp problem(:vanished), do: "the file went away while it was read"
  defp problem(:changed_while_reading), do: "the file was rewritten while it was read"
  defp problem(:wrong_name), do: "the module inside has another name than the file"
  defp problem(:duplicate_module), do: "another application has a module of this name"
  defp problem(:missing_folder), do: "the folder is not there"
  defp problem(kind), do: to_string(kind)

  defp detail(""), do: ". Run mix compile --force."
  defp detail(detail), do: " (#{detail}). Run mix compile --force."

  # Connecting

  defp connect(node, :no_home) do
    "cannot start distribution here to reach #{node}: this host has no usable HOME, " <>
      "where Erlang keeps its cookie. Set HOME to a folder that can be written."
  end

  defp connect(node, {:name_domain, :longnames}) do
    "#{node} is a long name, but this host already runs with short names: " <>
      "a VM is in one name domain at a time. Push to it in a run of its own."
  end

  defp connect(node, {:name_domain, :shortnames}) do
    "#{node} is a short name, but this host already runs with long names: " <>
      "a VM is in one name domain at a time. Push to it in a run of its own, " <>
      "or start the device with a long name (name@host.domain or name@address)."
  end

  defp connect(node, {:unresolved, host}) do
    "#{node}: the host name #{host} does not resolve. " <>
      "Is the device on this network? Try its IP address: the device must use it in its name too."
  end

  defp connect(node, {:no_epmd, host, reason}) do
    "#{node}: no epmd answers at #{host}, port 4369 (#{posix(reason)}). " <>
      "Distribution is not started on the device, or a firewall is between."
  end

  defp connect(node, {:not_registered, host, []}) do
    "#{node}: the epmd at #{host} knows no node at all. " <>
      "Distribution is not started on the device."
  end

  defp connect(node, {:not_registered, host, names}) do
    "#{node}: the epmd at #{host} does not know this name, it knows #{Enum.join(names, ", ")}. " <>
      "Use the name under which the device registered."
  end

  defp connect(node, {:port_closed, host, port, reason}) do
    "#{node} is registered, but its port #{port} at #{host} cannot be reached " <>
      "(#{posix(reason)}). A firewall may be between, or the node listens on another interface."
  end

  defp connect(node, :handshake_refused) do
    "#{node} answers, but refuses the connection: most likely the cookie is wrong. " <>
      "Give the device's cookie by --cookie, HOTPUSH_COOKIE or config :hotpush, cookie:. " <>
      "(It may also go by exactly another host name than the one used here; its log tells.)"
  end

  defp connect(node, {:not_started, reason}),
    do: "cannot start distribution here to reach #{node}: #{reason}."

  defp connect(node, {:timeout, ms}) do
    "#{node} did not complete the connection within #{ms} ms. " <>
      "It may hang or be overloaded; --timeout MS waits longer."
  end

  # The device's own troubles

  defp device(node, stage, {:timeout, ms}) do
    "#{node} did not answer within #{ms} ms while it was to #{verb(stage)}. " <>
      "What it runs now shows the next run; --timeout MS waits longer."
  end

  defp device(node, stage, :connection_lost) do
    "the connection to #{node} was lost while it was to #{verb(stage)}. " <>
      "What it runs now shows the next run."
  end

  defp device(node, stage, {:raised, text}),
    do: "#{node} failed to #{verb(stage)}: #{text}. Nothing more was tried."

  defp device(module, :load, {:not_loaded, reason}),
    do: "#{module} was not loaded: #{load_reason(reason)}"

  defp device(module, :load, :other_code),
    do: "#{module} was sent, but the device runs other code: someone else may have loaded it."

  defp device(module, :load, :still_there),
    do: "#{module} should be gone, but the device still runs it."

  defp device(node, stage, {:unreadable, what}),
    do:
      "#{node} answered something that is not understood (#{what}) while it was to #{verb(stage)}."

  defp verb(:ask), do: "say what it runs"
  defp verb(:load), do: "load the code"

  defp load_reason(:on_load_failure) do
    "its on_load function failed, so the old code keeps running. " <>
      "A module with native code usually needs new firmware."
  end

  defp load_reason(:not_purged),
    do: "old code of it came in use at the same moment. Run it again."

  defp load_reason(:sticky_directory), do: "it stands in a sticky directory on the device."
  defp load_reason(:badfile), do: "the device's loader does not accept the file."
  defp load_reason(:features_not_allowed), do: "it was compiled for a newer Erlang/OTP."
  defp load_reason(:batch), do: "the whole batch was refused because of another module."
  defp load_reason(reason), do: "#{inspect(reason)}."

  # Refusals: we will not

  defp refusal(node, {:otp_older, host, device}) do
    "#{node} runs Erlang/OTP #{device}, this host compiles with #{host}: " <>
      "older releases cannot load it. Compile with OTP #{device}, or update the firmware."
  end

  defp refusal(node, {:elixir_differs, host, device}) do
    "#{node} runs Elixir #{device}, this host compiles with #{host}. " <>
      "Use the same minor version on both, or pass --force if you know it fits."
  end

  defp refusal(node, :no_elixir) do
    "#{node} has no Elixir, and pushing to a pure Erlang node is not supported yet. " <>
      "Is it the right node?"
  end

  defp refusal(node, {:other_project, apps, running}) do
    "#{node} runs none of this project's applications (#{Enum.join(apps, ", ")})" <>
      running_instead(running) <>
      ". Is it the right device? --force pushes all the same."
  end

  defp refusal(node, {:target_differs, host, device}) do
    "#{node} was built for the target #{device}, this build is for #{host}. " <>
      "Run MIX_TARGET=#{device} mix upload.hotswap, or pass --force."
  end

  defp refusal(node, {:protocol_loses, protocol, modules}) do
    "#{protocol} as consolidated here lacks #{Enum.join(modules, ", ")}, " <>
      "which #{node} has and keeps: calls would fail there. " <>
      "Push from the umbrella's root so that all implementations are known, or pass --force."
  end

  defp refusal(node, {:nif_loaded, modules}) do
    "firmware needed: #{Enum.join(modules, ", ")} has native code loaded on #{node}, " <>
      "and most native libraries refuse to be replaced. Update the firmware, or pass --force to try."
  end

  defp refusal(node, {:held, holders}) do
    "processes on #{node} still run code that the push before last replaced; " <>
      "loading now would kill them: #{holders(holders)}. " <>
      "Restart them, or pass --purge kill."
  end

  defp refusal(node, {:not_loadable, errors}) do
    list =
      Enum.map_join(errors, ", ", fn {m, r} -> "#{m} (#{String.trim(load_reason(r), ".")})" end)

    "#{node} cannot load #{list}. Nothing was changed there."
  end

  defp refusal(node, :busy),
    do: "#{node} is in the middle of another push. Run it again when that is done."

  @doc "Names processes that run old code, as `<0.9.0> Example.Loop (Elixir.Example)`."
  @spec holders([{String.t(), String.t(), String.t()}]) :: String.t()
  def holders(holders) do
    {shown, more} = Enum.split(holders, 10)
    text = Enum.map_join(shown, ", ", fn {pid, who, module} -> "#{pid} #{who} (#{module})" end)
    if more == [], do: text, else: text <> " and #{length(more)} more"
  end

  defp running_instead([]), do: ""
  defp running_instead(apps), do: ", it runs #{Enum.join(apps, ", ")}"

  defp did_you_mean([]), do: ""
  defp did_you_mean(near), do: " Did you mean #{Enum.join(near, ", ")}?"

  defp posix(:timeout), do: "no answer"
  defp posix(reason) when is_atom(reason), do: to_string(:inet.format_error(reason))
  defp posix(reason), do: inspect(reason)
end
