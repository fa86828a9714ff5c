defmodule Hotpush.Transport.Ssh.HostKeyTest do
  @moduledoc """
  Real ssh, a real daemon, and a developer's ssh config that accepts every host key: the key of a device
  that was confirmed, or found on the network, is checked all the same.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Discovery.{Found, HostKey, Names}
  alias Hotpush.{Error, Transport}
  alias Hotpush.Config.Target
  alias Hotpush.Test.{Run, SshDevice, Until}
  alias Hotpush.Transport.Ssh.{Command, Keys}

  doctest Command

  @moduletag :ssh

  setup do
    on_exit(&Names.give_back/0)
    {:ok, state_dir: Run.dir("state")}
  end

  # At the beginning of the config: ssh uses the first value.
  defp configure(device, lines),
    do: File.write!(device.config, [lines, File.read!(device.config)])

  defp lax(device) do
    SshDevice.forget_host_key(device)
    configure(device, "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\n")
  end

  defp open(device, context, address \\ nil, keys \\ nil) do
    {:ok, %Target{way: way}} = Target.ssh(address || SshDevice.address(device))
    target = %Target{name: "device", way: way, host_keys: keys, state_dir: context.state_dir}
    SshDevice.with_path(device, fn -> Transport.Ssh.open(target, 20_000) end)
  end

  defp reached({:ok, conn}) do
    assert {:ok, 3} = Transport.Ssh.call(conn, {:erlang, :+, [1, 2]}, 10_000)
    Transport.Ssh.close(conn)
  end

  defp refused({:error, %Error{stage: :connect, reason: {reason, _ssh}} = error}, reason),
    do: Error.message(error)

  defp public(device, name) do
    [type, key | _] = Path.join(device.dir, name <> ".pub") |> File.read!() |> String.split()
    "#{type} #{key}"
  end

  defp learn(host, address),
    do: Names.learn([%Found{how: :mdns, name: host, host: host, addresses: [address]}])

  test "only a confirmed key is accepted, whatever the config says", context do
    device = SshDevice.start()
    lax(device)
    confirmed = public(device, "ssh_host_ed25519_key")
    other = public(device, "id_stranger")
    reached(open(device, context))
    reached(open(device, context, nil, [other, confirmed]))

    sentence = refused(open(device, context, nil, [other]), :host_key_not_confirmed)
    assert sentence =~ "has a different host key from the one that you confirmed"
    assert sentence =~ "mix upload.hotswap --discover"
    refute sentence =~ "ssh-keygen -R"

    # An existing connection that was checked by other rules is not used.
    socket = Path.join(Run.dir("s"), "c")
    options = ["-M", "-S", socket, "-f", "-N", "-o", "ControlPersist=60"]
    {_, 0} = SshDevice.ssh(device, [], options: options)
    on_exit(fn -> SshDevice.ssh(device, [], options: ["-S", socket, "-O", "exit"]) end)
    configure(device, "ControlPath #{socket}\n")
    refused(open(device, context, nil, [other]), :host_key_not_confirmed)

    Until.until("nothing to be left", fn -> File.ls!(context.state_dir) == [] end)
  end

  test "the file of a confirmed key is removed if its owner is killed while it connects",
       context do
    test = self()
    path = Path.join([context.state_dir, "a \"b\" 100%", "keys"])

    pid =
      spawn(fn ->
        Keys.lend(["ssh-ed25519 AAAA"], path, "device", fn ^path ->
          send(test, File.read!(path))
          Process.sleep(:infinity)
        end)
      end)

    assert_receive "confirmed ssh-ed25519 AAAA\n"
    Process.exit(pid, :kill)
    Until.until("the file to be gone", fn -> not File.exists?(path) end)

    assert {:error, error} = Keys.lend(["k"], "/dev/null/keys", "device", fn _ -> :called end)
    assert Error.message(error) =~ "could not be written to /dev/null/keys"
  end

  test "a folder with blanks, quotes and percent signs in its name", context do
    device = SshDevice.start()
    lax(device)
    context = %{context | state_dir: Path.join(context.state_dir, ~S(a "b" 100% \n))}
    reached(open(device, context, nil, [public(device, "ssh_host_ed25519_key")]))
  end

  test "ssh's config takes precedence over mDNS", context do
    name = "porch-#{System.unique_integer([:positive])}.local"
    device = SshDevice.start(names: [name])
    # An address at which nothing listens.
    learn(name, "127.0.0.99")
    key = public(device, "ssh_host_ed25519_key")
    File.write!(device.known_hosts, "* #{key}\n")
    reached(open(device, context, "root@#{name}"))

    assert [%HostKey{public: ^key, fingerprint: "SHA256:" <> _}] =
             SshDevice.with_path(device, fn -> HostKey.of("root@" <> name) end)
  end

  test "at an address from mDNS, the host's key must be known", context do
    name = "attic-#{System.unique_integer([:positive])}.local"
    device = SshDevice.start()
    lax(device)
    learn(name, "127.0.0.1")
    address = "root@#{name}:#{device.port}"
    key = public(device, "ssh_host_ed25519_key")
    assert [%HostKey{public: ^key}] = SshDevice.with_path(device, fn -> HostKey.of(address) end)

    assert refused(open(device, context, address), :host_key_unknown) =~ "does not know yet"
    reached(open(device, context, address, [key]))

    other = public(device, "id_stranger")
    refused(open(device, context, address, [other]), :host_key_not_confirmed)

    SshDevice.use_key(device)
    File.write!(device.known_hosts, "[#{name}]:#{device.port} #{key}\n")
    reached(open(device, context, address))
  end

  test "nothing stays after a visit; an existing connection is used", context do
    device = SshDevice.start()
    socket = Path.join(Run.dir("s"), "c")
    configure(device, "ControlMaster auto\nControlPersist 60\nControlPath #{socket}\n")
    reached(open(device, context))
    refute File.exists?(socket)

    {_, 0} = SshDevice.ssh(device, [], options: ["-f", "-N"])
    on_exit(fn -> SshDevice.ssh(device, [], options: ["-O", "exit"]) end)
    Until.until("the connection", fn -> File.exists?(socket) end)
    SshDevice.use_wrong_key(device)
    refused(open(device, context), :password_needed)
    configure(device, "ControlPath #{socket}\n")
    reached(open(device, context))
  end
end
