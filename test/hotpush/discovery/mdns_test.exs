defmodule Hotpush.Discovery.MdnsTest do
  @moduledoc "A real avahi-daemon in a network namespace announces services, and this VM finds them."
  use ExUnit.Case

  alias Hotpush.Discovery.{Mdns, Names}
  alias Hotpush.Test.{Device, Netns, Until}

  @moduletag :netns

  setup do
    on_exit(&Names.give_back/0)
  end

  # A search always takes its whole time, so it gets little, and is repeated until it finds what is expected.
  defp heard(netns, expected?) do
    Until.until("#{netns.host} to be heard", fn ->
      {:ok, found} = Mdns.discover(timeout: 700)
      found = Enum.filter(found, &(&1.host == netns.host))
      expected?.(found) && {:heard, found}
    end)
    |> elem(1)
  end

  defp offering(count), do: &match?([%{offers: offers}] when length(offers) == count, &1)

  test "finds one device, with its host, address, nodes and ssh" do
    netns = Netns.start()
    device = Device.start(netns: netns)
    # The IPv4 address may come a little after the rest.
    whole? = &(offering(2).(&1) and netns.address in hd(&1).addresses)
    assert [found] = heard(netns, whole?)
    assert %{how: :mdns, notice: nil, targets: []} = found
    assert found.name == netns.host
    assert hd(found.addresses) == netns.address
    assert found.offers == [node: to_string(device.node), ssh: netns.host]

    # It is also configured, and is still one device.
    Names.learn([found])
    {found, []} = Hotpush.Discovery.Search.all(timeout: 3_000, hosts: [netns.host])
    assert [%{how: :mdns, also: [:epmd]}] = Enum.filter(found, &(&1.host == netns.host))
    Device.stop(device)
    assert [%{offers: [{:ssh, _}]}] = heard(netns, offering(1))
  end

  test "shows another ssh port; a host with neither node nor ssh has a notice" do
    odd = Netns.start(services: ["_ssh._tcp": 8022])
    silent = Netns.start(services: ["_epmd._tcp": 4369])
    assert [%{offers: [ssh: offer], notice: nil}] = heard(odd, offering(1))
    assert offer == odd.host <> ":8022"
    noticed = &match?([%{notice: %{}}], &1)
    assert [%{offers: [], notice: notice}] = heard(silent, noticed)
    assert Exception.message(notice) =~ "#{silent.host} runs epmd, but no node"
  end

  test "a device that is gone is not found, and no thread of a search stays" do
    netns = Netns.start()
    assert [_] = heard(netns, &match?([_], &1))
    Netns.stop(netns)
    threads = threads()
    for _ <- 1..12, do: assert({:ok, %{}} = Mdns.addresses([netns.host], 30))
    assert heard(netns, &(&1 == [])) == []
    Until.until("the threads to end", fn -> threads() <= threads end)
  end

  test "a search ends with its caller" do
    threads = threads()
    pids = for _ <- 1..8, do: spawn(fn -> Mdns.discover(timeout: 120_000) end)
    Until.until("the searches to begin", fn -> threads() >= threads + 16 end)
    assert {:error, error} = Mdns.addresses(["a.local"], 100)
    assert error.reason == :too_many
    for pid <- pids, do: Process.exit(pid, :kill)
    Until.until("the threads to end", fn -> threads() <= threads end)
    assert {:ok, _} = Mdns.addresses(["a.local"], 30)
  end

  defp threads, do: length(File.ls!("/proc/self/task"))

  describe "a name under .local that the resolver does not know" do
    test "is known in this VM while it is lent" do
      netns = Netns.start()
      host = String.to_charlist(netns.host)
      before = :inet_db.res_option(:lookup)
      assert {:error, _} = :inet.getaddr(host, :inet)
      assert Names.address(netns.host) == nil
      :ok = Names.lend([netns.host, "localhost"], 3_000)
      {:ok, address} = :inet.parse_address(String.to_charlist(netns.address))
      assert {:ok, ^address} = :inet.getaddr(host, :inet)
      assert Names.address(String.upcase(netns.host)) == netns.address
      :ok = Names.lend([netns.host], 3_000)
      :ok = Names.give_back()
      assert {:error, _} = :inet.getaddr(host, :inet)
      assert :inet_db.res_option(:lookup) == before
    end

    test "is asked for by itself, whatever services the host has" do
      netns = Netns.start(services: ["_http._tcp": 80])
      assert {:ok, heard} = Mdns.addresses([netns.host, "nobody-#{netns.host}"], 1_500)
      assert [{host, [address | _]}] = Map.to_list(heard)
      assert {host, address} == {netns.host, netns.address}
    end

    test "stays unknown if nobody answers, and a setting that was made meanwhile stays" do
      before = :inet_db.res_option(:lookup)
      netns = Netns.start()
      :ok = Names.lend(["nobody-there.local"], 200)
      assert Names.address("nobody-there.local") == nil
      assert :inet_db.res_option(:lookup) == before
      :ok = Names.lend([netns.host], 3_000)
      :inet_db.set_lookup([:native, :file])
      on_exit(fn -> :inet_db.set_lookup(before) end)
      :ok = Names.give_back()
      assert :inet_db.res_option(:lookup) == [:native, :file]
    end
  end
end
