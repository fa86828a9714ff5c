defmodule Hotpush.Transport.Ssh do
  @moduledoc """
  Runs one `ssh host '<expression>'` with the system's `ssh`. Its standard input and output carry all
  messages. See `src/hotpush_link.erl` for the device's end.

  Neither side uses distribution, listens or has a cookie. The device's answers are only read as data:
  it can do nothing to this host.
  """

  @behaviour Hotpush.Transport

  alias Hotpush.Discovery.Names
  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Transport.Ssh.{Channel, Client, Command, Diagnosis}
  alias Hotpush.Transport.Ssh.{Keys, KnownHost}

  # How long to ask the network for a name that is not known here.
  @search_ms 2_000

  defstruct [:channel, :address]

  @impl true
  def prepare(%Target{} = target) do
    if System.find_executable("ssh"),
      do: {:ok, target},
      else: {:error, Error.new(:connect, target.name, :ssh_missing)}
  end

  @impl true
  def finish, do: :ok

  # ssh's config, the resolver or only the network may know a name. They are tried in this order.
  @impl true
  def open(%Target{way: {:ssh, ssh}} = target, timeout) do
    deadline = System.monotonic_time(:millisecond) + timeout

    Keys.lend(target.host_keys, path(target, "keys"), target.name, fn known_hosts ->
      options = [known_hosts: known_hosts, askpass?: askpass?()]

      with {:error, %Error{reason: {:unresolved, _}} = error} <-
             attempt(target, options, timeout) do
        case Names.search(ssh.host, max(min(left(deadline), @search_ms), 1)) do
          nil -> {:error, error}
          address -> attempt(target, [address: address] ++ options, max(left(deadline), 1))
        end
      end
    end)
  end

  defp left(deadline), do: deadline - System.monotonic_time(:millisecond)

  defp askpass? do
    System.get_env("SSH_ASKPASS") not in [nil, ""] and
      System.get_env("SSH_ASKPASS_REQUIRE") != "never"
  end

  defp attempt(%Target{way: {:ssh, ssh}} = target, options, timeout) do
    options = [strict?: options[:askpass?] and asks?(ssh, options[:address])] ++ options
    {:ok, channel} = Channel.start(Command.new(ssh, timeout, options), path(target, "ssh"))

    case Channel.ready(channel, timeout) do
      {:ok, address} ->
        {:ok, %__MODULE__{channel: channel, address: address}}

      {:error, {:closed, end_of_ssh}} ->
        Channel.close(channel)
        reason = Diagnosis.of(ssh, end_of_ssh)
        failed(target, known_host(reason, end_of_ssh.log, options[:address]))

      {:error, {:timeout, _}} ->
        said = Channel.said(channel)
        Channel.close(channel)
        failed(target, Diagnosis.of_silence(ssh, said, timeout))
    end
  end

  # SSH_ASKPASS answers with a password. Asked whether to trust a key, it would do so forever.
  defp asks?(ssh, address),
    do: match?(%{checking: "ask"}, KnownHost.of(Client.settled(ssh, address), ""))

  # The advice depends on how the developer's own ssh knows the host.
  defp known_host({why, ssh}, log, address) when why in [:host_key_changed, :host_key_unknown] do
    known = KnownHost.of(Client.settled(ssh, address), log)
    {why, Map.merge(ssh, %{known: known, at: Command.at(address, ssh)})}
  end

  defp known_host(reason, _log, _address), do: reason

  # Advice about the developer's known hosts is of no use if they are not consulted.
  defp failed(%Target{host_keys: [_ | _]} = target, {why, ssh})
       when why in [:host_key_changed, :host_key_unknown],
       do: failed(%{target | host_keys: nil}, {:host_key_not_confirmed, ssh})

  defp failed(target, reason), do: {:error, Error.new(:connect, target.name, reason)}

  # Each attempt has its own, since what is left of one is removed a little later.
  defp path(target, what) do
    name = "#{what}_#{System.pid()}_#{System.unique_integer([:positive])}"
    Path.join(target.state_dir, name)
  end

  @impl true
  def call(conn, question, timeout) do
    id = System.unique_integer([:positive])
    Channel.request(conn.channel, id, :call, question)

    with {:error, {:timeout, _}} = error <- Channel.answer(conn.channel, id, timeout) do
      Channel.stop(conn.channel, id)
      error
    end
  end

  # A started program answers later, so this does not wait.
  @impl true
  def start(conn, question, _timeout) do
    id = System.unique_integer([:positive])
    Channel.request(conn.channel, id, :start, question.(conn.address, id))
    {:ok, {conn.channel, id}}
  end

  @impl true
  def send({channel, id}, message), do: Channel.message(channel, id, message)

  @impl true
  def receive({channel, id}, timeout), do: Channel.answer(channel, id, timeout)

  @impl true
  def stop({channel, id}), do: Channel.stop(channel, id)

  @impl true
  def served_by(conn), do: conn.address

  @impl true
  def bytes(conn), do: Channel.bytes(conn.channel)

  @impl true
  def close(conn), do: Channel.close(conn.channel)
end
