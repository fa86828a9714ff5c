defmodule Hotpush.Error.Prose.Connect do
  @moduledoc "The sentences for a device that could not be reached."

  alias Hotpush.Error.Prose.{Adb, Tls}
  alias Hotpush.Text

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(node, :no_home) do
    "cannot start distribution here to reach #{node}: this host has no usable HOME, " <>
      "where Erlang keeps its cookie. Set HOME to a writable folder."
  end

  def sentence(id, {:no_such_id, near}) do
    "no device matches #{id}: it is not a nickname, node or host in your configuration, and not a " <>
      "serial number that adb knows." <>
      if(near == [], do: "", else: " Did you mean #{Text.names(near)}?")
  end

  def sentence(node, {:name_domain, :longnames}) do
    "#{node} is a long name, but this host already runs with short names: " <>
      "a VM uses one kind of names at a time. Push to this device in a separate run."
  end

  def sentence(node, {:name_domain, :shortnames}) do
    "#{node} is a short name, but this host already runs with long names: " <>
      "a VM uses one kind of names at a time. Push to this device in a separate run, " <>
      "or start the device with a long name (name@host.domain or name@address)."
  end

  def sentence(node, {:unresolved, host}) do
    "#{node}: the host name #{host} does not resolve. " <>
      "Is the device on this network? Try its IP address, which the node must then have in its name."
  end

  def sentence(node, {:no_epmd, host, port, reason}) do
    "#{node}: no epmd answers at #{host}, port #{port} (#{posix(reason)}). " <>
      "Distribution is not started on the device, or a firewall blocks the connection."
  end

  def sentence(node, {:not_registered, host, []}) do
    "#{node}: no node is registered with the epmd at #{host}. " <>
      "Distribution is not started on the device."
  end

  def sentence(node, {:not_registered, host, names}) do
    "#{node}: the epmd at #{host} does not know this name. It knows #{Text.names(names)}. " <>
      "Is the node running, and is this its name?"
  end

  def sentence(node, {:port_closed, host, port, reason}) do
    "#{node} is registered, but its port #{port} at #{host} cannot be reached " <>
      "(#{posix(reason)}). A firewall may block it, or the node listens on another interface."
  end

  def sentence(node, :handshake_refused) do
    "#{node} answers, but refuses the connection: most likely the cookie is wrong. " <>
      "Set the device's cookie with HOTPUSH_COOKIE, hotpush.toml or config :hotpush, cookie:. " <>
      "(The node may also have another host name than the one used here: see the device's log.)"
  end

  def sentence(node, {:other_name, name}) do
    "#{node} answers, but its name is #{Text.name(name)}. " <>
      "Use the node's exact name, with the host part that it was started with."
  end

  def sentence(node, :handshake_broken) do
    "#{node} answers, but the connection broke before it was complete. " <>
      "Is the network reliable? Is the device still starting? Run the command again."
  end

  def sentence(node, {:not_started, reason}),
    do: "cannot start distribution here to reach #{node}: #{reason}."

  def sentence(node, {:timeout, ms}) do
    "#{node} did not complete the connection within #{ms} ms. " <>
      "It may hang or be overloaded. Use --timeout MS to wait longer."
  end

  def sentence(node, {:tls, cause}), do: Tls.sentence(node, cause)
  def sentence(node, {:tls, cause, more}), do: Tls.sentence(node, cause, more)

  def sentence(node, {:tls, cause, more, guides}), do: Tls.sentence(node, cause, more, guides)

  def sentence(node, :no_ssl) do
    "cannot use TLS to reach #{node}: Erlang's ssl application is not installed here " <>
      "(Debian: apt install erlang-ssl)."
  end

  def sentence(serial, reason), do: Adb.sentence(serial, reason)

  defp posix(:timeout), do: "no answer"
  defp posix(reason) when is_atom(reason), do: to_string(:inet.format_error(reason))
  defp posix(reason), do: inspect(reason)
end
