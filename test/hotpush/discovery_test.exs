defmodule Hotpush.DiscoveryTest do
  @moduledoc "The ways to find devices, at the same time, and what happens if one misbehaves."
  use ExUnit.Case, async: true

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Discovery.{Epmd, EpmdNames, Found, Search}
  alias Hotpush.Test.Device

  doctest Found
  doctest Hotpush.Discovery.Names

  defmodule Fleet do
    @behaviour Hotpush.Discovery
    @impl true
    def discover(options) do
      send(:discovery_test, {:options, options})
      {:ok, [%Found{how: :fleet, name: "kiosk", host: "kiosk.example", offers: [ssh: "kiosk"]}]}
    end
  end

  defmodule Hangs do
    def discover(_options), do: Process.sleep(:infinity)
  end

  defmodule Raises do
    def discover(_options), do: raise("the registry is down")
  end

  defmodule Dies do
    def discover(_options), do: Process.exit(self(), :kill)
  end

  defmodule Lies do
    def discover(_options), do: {:ok, [%Found{how: :lies, name: "x"}, :and, "more"]}
  end

  defmodule Improper do
    def discover(_options), do: {:ok, [%Found{how: :lies, name: "x", offers: :none}]}
  end

  defmodule NoWay do
  end

  test "a way that hangs, raises, dies or returns nonsense does not affect the others" do
    Process.register(self(), :discovery_test)
    own = [Hangs, Raises, Dies, Lies, Improper, NoWay, NotCompiled, Fleet]

    {found, errors} = Search.all(own: own, timeout: 500, hosts: ["kiosk.example"])

    assert [%{name: "kiosk"}] = Enum.filter(found, &(&1.how == :fleet))
    assert_received {:options, timeout: timeout, hosts: ["kiosk.example"]}
    assert timeout < 500

    said = for error <- errors, error.subject in own, into: %{}, do: {error.subject, error}
    assert %{stage: :discover, reason: {:timeout, 500}} = said[Hangs]
    assert %{reason: {:raised, "the registry is down"}} = said[Raises]
    assert %{reason: {:raised, ":killed"}} = said[Dies]
    assert %{reason: {:bad_answer, _}} = said[Lies]
    assert %{reason: {:bad_answer, _}} = said[Improper]
    assert %{reason: :no_such_way} = said[NoWay]
    assert %{reason: :way_not_compiled} = error = said[NotCompiled]
    assert Error.message(error) =~ "the module NotCompiled is not compiled"
    for error <- errors, do: refute(Error.message(error) =~ "FunctionClauseError")
  end

  test "only the ways that are asked for run" do
    assert {[], []} =
             Search.all(own: [Fleet], only: [:adb], timeout: 50)
             |> without_adb()

    {found, []} = Search.all(only: [:epmd], own: [Fleet], timeout: 2_000)
    assert Enum.all?(found, &(&1.how == :epmd))
  end

  # adb may not be installed, which is a different error.
  defp without_adb({found, _errors}), do: {Enum.reject(found, &(&1.how == :adb)), []}

  test "the nodes of this host, by name" do
    device = Device.start()
    {:ok, found} = Epmd.discover(timeout: 2_000)
    name = to_string(device.node)
    assert [%{how: :epmd, host: "127.0.0.1"} = one] = Enum.filter(found, &(&1.name == name))
    assert [%Target{way: {:node, node}}] = Found.targets(one)
    assert node == device.node

    # It is one node, whichever name of this computer the configuration uses.
    {:ok, found} = Epmd.discover(timeout: 2_000, hosts: ["localhost"])
    [name, _host] = String.split(name, "@")
    assert [one] = Enum.filter(found, &String.starts_with?(&1.name, name <> "@"))
    assert {one.name, one.host} == {name <> "@localhost", "127.0.0.1"}
  end

  test "IPv6 addresses, also link-local ones" do
    # An announced address may be unusable.
    for address <- ["fe80::1", "fe80::1%nosuch", "fe80::1%", "%", "300.1.1.1%lo", "a b", ""] do
      assert {:error, _} = EpmdNames.of(address, 500)
    end

    with {:error, reason} <- :gen_tcp.listen(0, [:binary, :inet6, ip: {0, 0, 0, 0, 0, 0, 0, 1}]) do
      IO.puts(:stderr, "\nMISSING: IPv6 (#{reason}); it is not tested")
    else
      {:ok, loopback} ->
        :gen_tcp.close(loopback)
        names_over_ipv6()
    end
  end

  # The interfaces of Hotpush.Test.Netns come and go with other tests.
  defp cable?(name), do: to_string(name) =~ ~r/^hp[0-9a-f]{10}$/

  defp names_over_ipv6 do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, :inet6, active: false])
    {:ok, port} = :inet.port(listener)
    {:ok, interfaces} = :inet.getifaddrs()

    local =
      for {name, options} <- interfaces,
          not cable?(name),
          {:addr, {0xFE80, _, _, _, _, _, _, _} = address} <- options,
          :running in options[:flags],
          do: "#{:inet.ntoa(address)}%#{name}" |> String.replace(~r/%.*%/, "%")

    if local == [],
      do: IO.puts(:stderr, "\nMISSING: a link-local address of IPv6; none is tested")

    for address <- ["::1" | local] do
      served =
        spawn_link(fn ->
          {:ok, socket} = :gen_tcp.accept(listener)
          :gen_tcp.send(socket, "\0\0\0\0name good at port 3\n")
          :gen_tcp.close(socket)
        end)

      monitor = Process.monitor(served)
      assert {address, {:ok, ["good"]}} == {address, EpmdNames.of(address, 5_000, port)}
      assert_receive {:DOWN, ^monitor, _, _, _}, 5_000
    end

    :gen_tcp.close(listener)
  end

  test "an epmd that never answers, or never ends its answer, does not delay the others" do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
    {:ok, port} = :inet.port(listener)
    assert {:error, :timeout} = EpmdNames.of("127.0.0.1", 100, port)
    {:ok, _first} = :gen_tcp.accept(listener)

    answer = fn fun ->
      spawn_link(fn ->
        {:ok, socket} = :gen_tcp.accept(listener)
        fun.(socket)
      end)
    end

    line = fn number -> "name n#{number} at port #{number}\n" end
    answer.(fn socket -> endless(socket, line) end)
    assert {:ok, names} = EpmdNames.of("127.0.0.1", 5_000, port)
    assert length(names) == 64

    hostile = "\0\0\0\0name \e[2J at port 1\nname a b at port 2\nname good at port 3\nname x"
    answer.(&:gen_tcp.send(&1, hostile))
    assert {:ok, ["good"]} = EpmdNames.of("127.0.0.1", 5_000, port)
    answer.(&:gen_tcp.send(&1, "no"))
    assert {:error, :no_epmd} = EpmdNames.of("127.0.0.1", 5_000, port)
    :gen_tcp.close(listener)
    assert {:error, :econnrefused} = EpmdNames.of("127.0.0.1", 500, port)
  end

  # mDNS returns such an address if a host has no other.
  test "an epmd at a link-local address, with an interface that exists or no longer does" do
    assert {:error, :einval} = EpmdNames.of("fe80::1", 500, 1)
    assert {:error, _no_such} = EpmdNames.of("fe80::1%nosuch0", 500, 1)
    {:ok, interfaces} = :inet.getifaddrs()

    here =
      for {name, options} <- interfaces,
          not cable?(name),
          {:addr, {0xFE80, _, _, _, _, _, _, _} = address} <- options,
          do: "#{:inet.ntoa(address)}%#{name}"

    if here == [],
      do: IO.puts(:stderr, "\nMISSING: an interface with IPv6; its addresses are not tested")

    for address <- Enum.take(here, 1) do
      {:ok, listener} = :gen_tcp.listen(0, [:inet6, :binary, active: false])
      {:ok, port} = :inet.port(listener)

      spawn_link(fn ->
        {:ok, socket} = :gen_tcp.accept(listener)
        :gen_tcp.send(socket, "\0\0\0\0name near at port 1\n")
        :gen_tcp.close(socket)
      end)

      assert {:ok, ["near"]} = EpmdNames.of(address, 5_000, port)
      :gen_tcp.close(listener)
    end
  end

  defp endless(socket, line, number \\ 1) do
    with :ok <- :gen_tcp.send(socket, line.(number)), do: endless(socket, line, number + 1)
  end

  describe "one device is recognised" do
    defp found(how, name, fields), do: struct!(%Found{how: how, name: name}, fields)

    test "by host, and by node" do
      {:ok, target} = Target.node("a@nerves.local")
      mdns = found(:mdns, "nerves.local", host: "nerves.local", offers: [node: "a@nerves.local"])

      epmd =
        found(:epmd, "b@nerves.local", host: "nerves.local", offers: [node: "b@nerves.local"])

      fleet = found(:fleet, "porch", targets: [target])
      assert [one] = Found.merge([mdns, epmd, fleet])
      assert {one.how, one.also} == {:mdns, [:epmd, :fleet]}
      assert Found.nodes(one) == ["a@nerves.local", "b@nerves.local"]
      assert Found.at?(one, target)
    end

    test "but the nodes of this host are different devices" do
      all =
        for name <- ["a@127.0.0.1", "b@127.0.0.1"],
            do: found(:epmd, name, host: "127.0.0.1", offers: [node: name])

      assert Found.merge(all) == all
      {:ok, ssh} = Target.ssh("127.0.0.1")
      refute Found.at?(hd(all), ssh)
    end

    test "another node of the same host is a different device" do
      one = found(:mdns, "h.local", host: "h.local", offers: [node: "a@h.local"])
      {:ok, other} = Target.node("b@h.local")
      {:ok, ssh} = Target.ssh("H.local:2222")
      refute Found.at?(one, other)
      assert Found.at?(one, ssh)
      assert Found.at?(%{one | offers: []}, other)
    end
  end

  test "names from the network become atoms only when they are needed" do
    name = "stranger_#{System.unique_integer([:positive])}@evil.local"
    found = found(:mdns, "evil.local", host: "evil.local", offers: [node: name])
    assert [^found] = Found.merge([found])
    assert Found.nodes(found) == [name]
    assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
    assert [%Target{}] = Found.targets(found)
    assert String.to_existing_atom(name)
  end

  test "text that cannot be a name is not a way to reach a device" do
    offers = [node: "a b@c", ssh: "-oProxyCommand=reboot", ssh: "fine"]
    assert [%{name: "fine"}] = Found.targets(found(:mdns, "x", offers: offers))
  end
end
