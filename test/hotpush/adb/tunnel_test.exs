defmodule Hotpush.Transport.Adb.Devices.TunnelTest do
  @moduledoc """
  Real adb, real adbd and real nodes. Each phone is in a network namespace of its own, where its node
  listens on loopback, so it is reached only through adb's tunnels.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Transport.Adb.Tunnel
  alias Hotpush.{Error, Transport}
  alias Hotpush.Config.Target
  alias Hotpush.Test.{Adb, Device, Netns, Ports, Run, Until, Workbench}

  @moduletag :adb

  @source "defmodule Desk.Phone do\n  def v, do: :one\nend\n"

  setup do
    on_exit(fn ->
      Until.until("the node to go", fn -> Transport.Dist.finish() == :ok and not Node.alive?() end)
    end)
  end

  # The tunnel from a phone's node to this host's epmd, as Hotpush or another program sets it up.
  defp phone do
    phone = Adb.phone()
    Adb.adb(["-s", phone.serial, "reverse", "tcp:4369", "tcp:4369"])
    on_exit(fn -> Tunnel.close(phone.serial) end)
    phone
  end

  defp node_on(phone, options \\ []) do
    [netns: phone.netns, tunnelled: true, erlang_only: true]
    |> Keyword.merge(options)
    |> Device.start()
  end

  defp forwards, do: lines(Adb.adb(["forward", "--list"]))
  defp reverses(phone), do: lines(Adb.adb(["-s", phone.serial, "reverse", "--list"]))
  defp lines(text), do: text |> String.split("\n", trim: true) |> Enum.sort()

  defp reachable?(address, port) do
    case :gen_tcp.connect(to_charlist(address), port, [], 1_000) do
      {:ok, socket} -> :gen_tcp.close(socket) == :ok
      {:error, _} -> false
    end
  end

  test "sets up both tunnels once, finds the node and its name, and takes down what it set up" do
    phone = Adb.phone()

    # There is no node yet. From now on, the tunnel to epmd exists, so that a node can register.
    assert {:error, error} = Tunnel.open(phone.serial)
    assert {:adb_no_node, _} = error.reason
    assert Error.message(error) =~ "The tunnel to epmd is open now"
    assert [reverse] = reverses(phone)
    assert reverse =~ "tcp:4369 tcp:4369"

    device = node_on(phone)
    port = device.dist_port
    refute reachable?("127.0.0.1", port)
    refute reachable?(phone.netns.address, port)

    assert Tunnel.open(phone.serial) == {:ok, device.node}
    assert reachable?("127.0.0.1", port)
    assert "#{phone.serial} tcp:#{port} tcp:#{port}" in forwards()

    before = {forwards(), reverses(phone)}
    assert Tunnel.open(phone.serial, device.node) == {:ok, device.node}
    # A prefix of this serial number only.
    assert Tunnel.open(String.trim_trailing(phone.serial, "5")) == {:ok, device.node}
    assert {forwards(), reverses(phone)} == before
    # The greeting sent no cookie, and left only one name behind.
    assert Device.call(device, :erlang, :nodes, [:connected]) == []

    assert Tunnel.close(phone.serial) == :ok
    assert Tunnel.close(phone.serial) == :ok
    assert {forwards(), reverses(phone)} == {[], []}
    refute reachable?("127.0.0.1", port)

    # It registers again by itself.
    assert Tunnel.open(phone.serial) == {:ok, device.node}
    Tunnel.close(phone.serial)
  end

  test "a tunnel that was there before stays" do
    phone = phone()
    device = node_on(phone)
    assert Tunnel.open(phone.serial, device.node) == {:ok, device.node}
    Tunnel.close(phone.serial)
    assert length(reverses(phone)) == 1
    refute Enum.any?(forwards(), &(&1 =~ phone.serial))
  end

  test "takes down all of a device's tunnels on request, whoever set them up, but not other programs'" do
    phone = phone()
    device = node_on(phone)
    # As if by another VM: this one does not know that these tunnels are Hotpush's.
    serial = phone.serial
    port = device.dist_port
    Adb.adb(["-s", serial, "forward", "tcp:#{port}", "tcp:#{port}"])
    free = Ports.free()
    Adb.adb(["-s", serial, "forward", "tcp:#{free}", "tcp:#{free}"])
    Adb.adb(["-s", serial, "reverse", "tcp:8081", "tcp:8081"])
    Tunnel.close(serial)
    assert length(forwards() ++ reverses(phone)) == 4

    assert {:ok, tunnels, nil} =
             Hotpush.Transport.Adb.Teardown.run(String.trim_trailing(serial, "5"))

    assert tunnels == [{"forward", "tcp:#{port}"}, {"reverse", "tcp:4369"}]
    assert forwards() == ["#{serial} tcp:#{free} tcp:#{free}"]
    assert [reverse] = reverses(phone)
    assert reverse =~ "tcp:8081 tcp:8081"
    assert Hotpush.Transport.Adb.Teardown.run(serial) == {:ok, [], nil}

    # The tunnels that this VM has set up, and its connection.
    assert Tunnel.open(serial) == {:ok, device.node}
    {:ok, target} = Target.adb(serial)
    cookie = Hotpush.Config.Secret.wrap(device.cookie)
    state_dir = Run.dir("state")
    target = %Target{name: "phone", way: target.way, cookie: cookie, state_dir: state_dir}
    {:ok, target} = Transport.Adb.prepare(target)
    assert {:ok, _conn} = Transport.Adb.open(target, 10_000)
    assert device.node in Node.list(:connected)
    assert Hotpush.disconnect(device: serial) == [device.node]
    refute device.node in Node.list(:connected)
    assert forwards() == ["#{serial} tcp:#{free} tcp:#{free}"]
    assert [^reverse] = reverses(phone)
    assert Hotpush.disconnect(device: serial) == []

    Adb.adb(["forward", "--remove", "tcp:#{free}"])
    assert {:error, error} = Hotpush.Transport.Adb.Teardown.run("R5CT")
    assert {:adb_no_device, _, _} = error.reason
  end

  test "a short name" do
    phone = phone()
    device = node_on(phone, names: :short)
    assert Tunnel.open(phone.serial) == {:ok, device.node}
  end

  test "a node that uses TLS does not say its name, so it has to be given" do
    phone = phone()
    device = node_on(phone, args: ["-proto_dist", "inet_tls"])
    assert {:error, error} = Tunnel.open(phone.serial)
    assert {:adb_silent, _, port} = error.reason
    assert port == device.dist_port
    assert Error.message(error) =~ "(it may use TLS)"
    assert Tunnel.open(phone.serial, device.node) == {:ok, device.node}
  end

  test "a name whose host is not this one's loopback" do
    phone = phone()
    device = node_on(phone, host: phone.netns.address)
    assert {:error, %{reason: {:adb_host, node}} = error} = Tunnel.open(phone.serial)
    assert node == device.node
    assert Error.message(error) =~ "adb's tunnels do not lead to that host"
  end

  test "several nodes on one phone: they are named, and one is chosen" do
    phone = phone()
    [one, two] = nodes = for _ <- 1..2, do: node_on(phone)
    assert {:error, %{reason: {:adb_nodes, names}} = error} = Tunnel.open(phone.serial)
    # Other tests may be starting or stopping nodes on this host at the same time.
    assert Enum.map(nodes, &hd(String.split("#{&1.node}", "@"))) -- names == []
    assert Error.message(error) =~ Enum.join(names, ", ")
    assert Tunnel.open(phone.serial, two.node) == {:ok, two.node}
    assert Tunnel.open(phone.serial, one.node) == {:ok, one.node}
  end

  test "a node that does not exist, or that runs on another host" do
    phone = phone()
    device = node_on(phone)
    assert {:error, error} = Tunnel.open(phone.serial, :"absent@127.0.0.1")
    assert {:adb_not_registered, "absent", names} = error.reason
    assert hd(String.split("#{device.node}", "@")) in names

    here = Device.start(erlang_only: true)
    assert {:error, error} = Tunnel.open(phone.serial, here.node)
    assert {:adb_elsewhere, _, _} = error.reason
    assert Error.message(error) =~ "nothing on this device listens there"
  end

  test "an epmd of the phone's own is in the way" do
    phone = Adb.phone()
    epmd = Path.wildcard("#{:code.root_dir()}/erts-*/bin/epmd") |> hd()
    {command, args} = Netns.inside(phone.netns, epmd, [], ["--net"])
    Hotpush.Test.Leash.open(command, args, Path.join(Run.dir("epmd"), "log"), [])
    Until.until("it to listen", fn -> reachable?(phone.netns.address, 4369) end)

    assert {:error, %{reason: {:adb_epmd_there, 4369, _}} = error} = Tunnel.open(phone.serial)
    assert Error.message(error) =~ "the device runs an epmd of its own"
  end

  test "another program leads the phone's epmd port elsewhere" do
    phone = Adb.phone()
    Adb.adb(["-s", phone.serial, "reverse", "tcp:4369", "tcp:4370"])
    assert {:error, error} = Tunnel.open(phone.serial)
    assert error.reason == {:adb_reversed, 4369, "tcp:4370"}
    assert Error.message(error) =~ "adb -s #{phone.serial} reverse --remove tcp:4369"
  end

  test "another program on this host uses the port" do
    phone = phone()
    device = node_on(phone)
    {:ok, socket} = :gen_tcp.listen(device.dist_port, ip: {127, 0, 0, 1})
    assert {:error, error} = Tunnel.open(phone.serial)
    assert error.reason == {:adb_port_taken, device.dist_port}
    assert Error.message(error) =~ "inet_dist_listen_min"
    :gen_tcp.close(socket)
    assert Tunnel.open(phone.serial) == {:ok, device.node}
  end

  test "two phones whose nodes have the same port, or the same name" do
    [first, second] = [phone(), phone()]
    one = node_on(first)
    same_port = ["-kernel", "inet_dist_listen_min", "#{one.dist_port}", "inet_dist_listen_max"]
    two = node_on(second, args: same_port ++ ["#{one.dist_port}"])
    assert one.dist_port == two.dist_port
    assert Tunnel.open(first.serial, one.node) == {:ok, one.node}
    assert {:error, error} = Tunnel.open(second.serial, two.node)
    assert error.reason == {:adb_port_of, one.dist_port, first.serial}
    assert Error.message(error) =~ first.serial
    Device.stop(two)

    assert {:error, error} = Tunnel.open(second.serial, one.node)
    assert {:adb_same_node, node, serials} = error.reason
    assert {node, serials} == {one.node, Enum.sort([first.serial, second.serial])}
    for serial <- serials, do: assert(Error.message(error) =~ serial)
    # The tunnels of both stay.
    assert reachable?("127.0.0.1", one.dist_port)
  end

  test "a phone that does not allow debugging" do
    address = Adb.Locked.start()
    Adb.adb(["connect", address])
    on_exit(fn -> Adb.adb(["disconnect", address]) end)

    Until.until("adb to call it unauthorized", fn ->
      Adb.adb(["devices"]) =~ ~r/^#{address}\s+unauthorized/m
    end)

    assert {:ok, found} = Hotpush.Discovery.Adb.discover(timeout: 5_000)
    assert %{targets: [], notice: notice} = Enum.find(found, &(&1.name == address))
    assert notice.reason == {:adb_state, :unauthorized}
    assert {:error, error} = Tunnel.open(address)
    assert error.reason == {:adb_state, :unauthorized}
    assert Error.message(error) =~ "Unlock it"
  end

  describe "pushes:" do
    setup do
      bench = Workbench.new(:desk, @source)

      phones =
        for _ <- 1..2 do
          phone = phone()
          options = [netns: phone.netns, tunnelled: true, mode: :embedded]
          {phone, Workbench.device(bench, options)}
        end

      %{bench: bench, phones: phones}
    end

    defp target(bench, serial, node, cookie) do
      {:ok, target} = Target.adb(serial, node)

      %Target{
        name: target.name,
        transport: Transport.Adb,
        way: target.way,
        cookie: Hotpush.Config.Secret.wrap(cookie),
        state_dir: bench.state_dir
      }
    end

    defp push(bench, phones, options \\ []) do
      targets = for {p, d} <- phones, do: target(bench, p.serial, options[:node], d.cookie)
      Workbench.push_targets(bench, targets, Keyword.delete(options, :node))
    end

    defp versions(phones), do: for({_, d} <- phones, do: Device.call(d, Desk.Phone, :v, []))

    defp write(bench, version),
      do: Workbench.write(bench, String.replace(@source, ":one", inspect(version)))

    test "to two phones; one that goes offline in between does not affect the other",
         %{bench: bench, phones: [{first, _}, _] = phones} do
      write(bench, :two)
      assert for(o <- push(bench, phones), do: {o.status, o.failures}) == [done: [], done: []]
      assert versions(phones) == [:two, :two]
      assert [%{round_trips: 1}, %{round_trips: 1}] = push(bench, phones)

      Adb.off(first)
      {:ok, found} = Hotpush.Discovery.Adb.discover(timeout: 5_000)
      serials = for {phone, _} <- phones, do: phone.serial
      found = for serial <- serials, do: Enum.find(found, &(&1.name == serial))
      assert [%{targets: [], notice: %{reason: {:adb_state, :offline}}}, there] = found
      assert %{targets: [%{way: {:adb, serial, nil}}], notice: nil} = there
      assert serial == List.last(serials)
      write(bench, :three)
      assert [off, %{status: :done}] = push(bench, phones)
      assert %{status: :failed, failures: [%{reason: {:adb_state, :offline}}]} = off
      assert versions(phones) == [:two, :three]

      Adb.on(first)
      assert [%{status: :done, loaded: ["Elixir.Desk.Phone"]}, other] = push(bench, phones)
      assert other.loaded == []
      assert versions(phones) == [:three, :three]
      assert [%{round_trips: 1}, %{round_trips: 1}] = push(bench, phones)
    end

    test "one goes offline while it is visited",
         %{bench: bench, phones: [{first, _}, _] = phones} do
      write(bench, :two)

      cut = fn
        {:loading, name, _} -> if name == first.serial, do: Adb.off(first)
        _ -> :ok
      end

      assert [off, %{status: :done}] = push(bench, phones, progress: cut, timeout: 5_000)
      # It could not be asked what it runs.
      assert %{status: :unknown, failures: [%{stage: :load, reason: reason}]} = off
      assert {:unknown, :connection_lost, _} = reason
      Adb.on(first)
      assert [%{status: :done}, %{status: :done}] = push(bench, phones)
      assert versions(phones) == [:two, :two]
      assert [%{round_trips: 1}, %{round_trips: 1}] = push(bench, phones)
    end

    test "of two phones with the same node name, all but the first are refused",
         %{bench: bench, phones: [{first, device}, {second, _}] = phones} do
      write(bench, :two)
      outcomes = push(bench, [{first, device}, {second, device}], node: device.node)
      assert [%{status: :done}, %{status: :failed, failures: [error]}] = outcomes
      assert {:adb_same_node, _, serials} = error.reason
      assert Enum.sort([first.serial, second.serial]) == serials
      assert versions(phones) == [:two, :one]
    end
  end

  test "do not wait for an adb that takes too long; only its phone fails" do
    phone = phone()
    node_on(phone)
    bench = Workbench.new(:desk, @source)
    Adb.freeze(phone)
    assert [outcome] = Workbench.push_targets(bench, [target(bench, phone.serial, nil, :any)])
    assert %{status: :failed, failures: [%{reason: {:adb_timeout, 5_000}}]} = outcome
  end
end
