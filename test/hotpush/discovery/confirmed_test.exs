defmodule Hotpush.Discovery.ConfirmedTest do
  @moduledoc """
  Devices that the user has confirmed. Without these tests, a push could go to a stranger's device.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Trust}
  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Test.Run

  doctest Confirmed
  doctest HostKey
  doctest Trust

  defp path, do: Path.join(Run.dir("state"), "hotpush/confirmed")
  defp key(name), do: %HostKey{fingerprint: "SHA256:#{name}", public: "ssh-ed25519 #{name}"}
  defp no_keys(host), do: flunk("#{host} was asked for its keys")

  test "confirmed devices are remembered, in a file that only its owner can access" do
    path = path()
    {:ok, none} = Confirmed.read(path)
    assert Confirmed.verdict(none, {:node, "a@b"}, &no_keys/1) == :unknown
    {:ok, one} = Confirmed.add(none, {:node, "a@b"})
    {:ok, two} = Confirmed.add(one, {:ssh, "h.local:2222"}, ["SHA256:one", "SHA256:two"])
    {:ok, ^two} = Confirmed.add(two, {:node, "a@b"})
    assert {:ok, ^two} = Confirmed.read(path)
    assert {:ok, %{mode: 0o100600}} = File.stat(path)
    assert File.ls!(Path.dirname(path)) == ["confirmed"]
    assert Confirmed.verdict(two, {:node, "a@b"}, &no_keys/1) == {:confirmed, []}
    assert Confirmed.verdict(two, {:adb, "a@b"}, &no_keys/1) == :unknown
    assert Confirmed.verdict(two, {:ssh, "h.local"}, &no_keys/1) == :unknown
  end

  test "a host counts as confirmed as long as it has the same key" do
    {:ok, none} = Confirmed.read(path())
    host = {:ssh, "h.local"}
    {:ok, known} = Confirmed.add(none, host, ["SHA256:one", "SHA256:two"])

    assert Confirmed.verdict(known, host, fn "h.local" -> [key("two"), key("new")] end) ==
             {:confirmed, ["ssh-ed25519 two"]}

    assert Confirmed.verdict(known, host, fn _ -> [key("other")] end) == :changed
    assert Confirmed.verdict(known, host, fn _ -> [] end) == :changed
    {:ok, known} = Confirmed.add(known, host, ["SHA256:other"])

    assert Confirmed.verdict(known, host, fn _ -> [key("other")] end) ==
             {:confirmed, ["ssh-ed25519 other"]}

    assert Confirmed.verdict(known, host, fn _ -> [key("one")] end) == :changed
  end

  test "a damaged file confirms nothing, and the message names the line" do
    path = path()
    File.mkdir_p!(Path.dirname(path))

    for {text, line} <- [
          {"", 1},
          {"hotpush confirmed 2\nnode a@b\n", 1},
          {"hotpush confirmed 1\nnode a@b\nnode a b\n", 3},
          {"hotpush confirmed 1\nssh host\n", 2},
          {"hotpush confirmed 1\nssh host MD5:aa\n", 2},
          {<<0, 255, 10>>, 1}
        ] do
      File.write!(path, text)
      File.chmod!(path, 0o600)
      assert {:error, error} = Confirmed.read(path)
      assert Error.message(error) =~ "#{path}, line #{line}:"
    end

    File.write!(path, "hotpush confirmed 1\n")
    File.chmod!(path, 0o620)
    assert {:error, error} = Confirmed.read(path)
    assert Error.message(error) =~ "(mode 620), so no device counts as confirmed"
    assert {:error, error} = Confirmed.read(Path.dirname(path))
    assert Error.message(error) =~ "cannot read" or Error.message(error) =~ "by others"
  end

  test "if the file cannot be written, the message says so" do
    path = path()
    File.mkdir_p!(Path.dirname(Path.dirname(path)))
    File.write!(Path.dirname(path), "a file")
    assert {:error, error} = Confirmed.add(%Confirmed{path: path}, {:node, "a@b"})
    assert Error.message(error) =~ "cannot write #{path}"
  end

  describe "sorting" do
    defp found(name, offers),
      do: %Found{how: :mdns, name: name, host: name, addresses: ["10.0.0.9"], offers: offers}

    test "configured devices, confirmed ones, and the rest" do
      {:ok, kitchen} = Target.ssh("kitchen.local")
      {:ok, one} = Confirmed.add(%Confirmed{}, {:ssh, "porch.local"}, ["SHA256:porch"])
      {:ok, confirmed} = Confirmed.add(one, {:ssh, "attic.local"}, ["SHA256:attic"])
      hosts = for name <- ~w(kitchen porch attic other), do: "#{name}.local"
      all = for host <- hosts, do: found(host, ssh: host)
      silent = found("silent.local", [])
      keys = %{"porch.local" => [key("porch")], "attic.local" => [key("changed")]}
      sorted = Trust.sort(all ++ [silent], [Target.nicknamed(kitchen, "k")], confirmed, &keys[&1])

      assert [{%{nickname: "k"}, [%{name: "kitchen.local"}]}] = sorted.named

      assert [{porch, {:ssh, "porch.local"} = way, ["ssh-ed25519 porch"] = bound}] =
               sorted.confirmed

      assert %{name: "porch.local", host_keys: ^bound} = Trust.target(porch, way, bound)
      assert %{host_keys: nil} = Trust.target(porch, way)

      assert [
               {_, {:ssh, "attic.local"}, %Error{} = changed},
               {_, {:ssh, "other.local"}, nil},
               {^silent, nil, nil}
             ] = sorted.unknown

      assert Error.message(changed) =~ "the host key of attic.local is not the one"
    end

    test "each node of a host is a separate device" do
      host = found("h.local", node: "a@h.local", node: "b@h.local", ssh: "h.local")
      {:ok, confirmed} = Confirmed.add(%Confirmed{}, {:node, "b@h.local"})
      sorted = Trust.sort([host], [], confirmed, &no_keys/1)
      assert [{^host, {:node, "b@h.local"} = way, []}] = sorted.confirmed
      assert [{^host, {:node, "a@h.local"}, nil}] = sorted.unknown
      assert Trust.target(host, way).way == {:node, :"b@h.local"}
    end
  end
end
