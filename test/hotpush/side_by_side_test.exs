defmodule Hotpush.SideBySideTest do
  @moduledoc "Concurrent pushes in one VM, which share its node, and pushes that are killed."
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Device, Netns, Run, Until, Workbench}
  alias Hotpush.Discovery.Names
  alias Hotpush.Config.{Secret, Target}
  alias Hotpush.Transport.Dist

  setup do
    on_exit(fn ->
      :net_kernel.stop()
      node_gone()
    end)
  end

  defp bench, do: Workbench.new(:desk, "defmodule Desk.Plain do\n  def v, do: :one\nend\n")

  defp target(device, state_dir) do
    %Target{
      name: to_string(device.node),
      transport: Dist,
      node: device.node,
      way: {:node, device.node},
      cookie: Secret.wrap(device.cookie),
      state_dir: state_dir
    }
  end

  defp quiet do
    :logger.set_handler_config(:default, :level, :none)
    on_exit(fn -> :logger.set_handler_config(:default, :level, :all) end)
  end

  defp node_gone, do: Until.until("the node to go", fn -> not Node.alive?() end)

  # A process that runs the functions that it is sent, one after the other.
  defp worker do
    spawn_link(fn -> work() end)
  end

  defp work do
    receive do
      {:do, from, fun} ->
        send(from, {self(), fun.()})
        work()

      :end ->
        :ok
    end
  end

  defp tell(worker, fun) do
    send(worker, {:do, self(), fun})
    assert_receive {^worker, answer}, 10_000
    answer
  end

  defp open(target) do
    {:ok, target} = Dist.prepare(target)
    {:ok, conn} = Dist.open(target, 5_000)
    conn
  end

  test "six pushes to one device at once, repeatedly, do not disturb each other" do
    bench = bench()
    device = Workbench.device(bench)
    level = :logger.get_primary_config()

    for _round <- 1..4 do
      pushes = for _ <- 1..6, do: Task.async(fn -> Workbench.push(bench, device) end)
      outcomes = Task.await_many(pushes, 60_000)
      assert for(o <- outcomes, do: {o.status, o.failures}) == List.duplicate({:done, []}, 6)
      refute Node.alive?()
    end

    assert :logger.get_primary_config() == level
  end

  test "a push that is killed leaves no node, no slot and no muted log, and others go on" do
    bench = bench()
    [device, frozen] = for _ <- 1..2, do: Workbench.device(bench)
    Device.freeze(frozen)
    level = :logger.get_primary_config()

    killed = spawn(fn -> Workbench.push(bench, frozen) end)
    Until.until("the node", &Node.alive?/0)
    [_, token] = Regex.run(~r/^hotpush_(\w{8})_0@/, to_string(node()))
    slot = Dist.Host.slot_port(token, 0)
    assert {:error, :eaddrinuse} = :gen_udp.open(slot, ip: {127, 0, 0, 1})

    # Another push, while it is running.
    test = self()
    go_on = fn -> receive(do: (:go_on -> :ok)) end

    wait = fn
      {:asking, _} ->
        send(test, {:there, self()})
        go_on.()

      _ ->
        :ok
    end

    push = Task.async(fn -> Workbench.push(bench, device, progress: wait) end)
    assert_receive {:there, visit}, 10_000
    monitor = Process.monitor(killed)
    Process.exit(killed, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    send(visit, :go_on)
    assert %{status: :done, failures: []} = Task.await(push, 30_000)

    node_gone()
    assert {:ok, socket} = :gen_udp.open(slot, ip: {127, 0, 0, 1})
    :gen_udp.close(socket)

    # Killed at different moments of its beginning.
    for turn <- 1..200 do
      pid =
        spawn(fn -> Dist.prepare(target(device, bench.state_dir)) && Process.sleep(:infinity) end)

      for _ <- 1..(turn * 20), do: :erlang.yield()
      Process.exit(pid, :kill)
    end

    # By then, all earlier requests have been handled.
    Dist.finish()
    node_gone()
    assert :logger.get_primary_config() == level
  end

  test "while the node starts, log messages of others are not lost" do
    quiet()
    :ok = :logger.add_handler(__MODULE__, __MODULE__, %{config: %{test: self()}})
    on_exit(fn -> :logger.remove_handler(__MODULE__) end)
    {:group_leader, kernel} = Process.info(Process.whereis(:kernel_sup), :group_leader)
    asked = spawn(fn -> Process.sleep(:infinity) end)
    hush = {&Dist.Host.hush/2, {kernel, asked}}
    :ok = :logger.add_primary_filter(__MODULE__, hush)
    on_exit(fn -> :logger.remove_primary_filter(__MODULE__) end)

    :logger.error("ours")
    :logger.error("the kernel's", %{gl: kernel})
    Process.exit(asked, :kill)
    Until.until("the end", fn -> not Process.alive?(asked) end)
    :logger.error("the kernel's later", %{gl: kernel})
    assert_received {:logged, {:string, "ours"}}
    refute_received {:logged, {:string, "the kernel's"}}
    assert_received {:logged, {:string, "the kernel's later"}}
  end

  def log(event, %{config: %{test: test}}), do: send(test, {:logged, event.msg})

  test "a connection ends with the last of its users, however that one ends" do
    device = Device.start(erlang_only: true)
    target = target(device, Run.dir("state"))
    [one, two, three] = for _ <- 1..3, do: worker()
    conn = tell(one, fn -> open(target) end)
    other = tell(two, fn -> open(target) end)
    tell(three, fn -> open(target) end)

    tell(one, fn -> Dist.close(conn) end)
    tell(one, fn -> Dist.finish() end)
    assert {:ok, node} = tell(two, fn -> Dist.call(other, {:erlang, :node, []}, 5_000) end)
    assert node == device.node
    tell(two, fn -> Dist.close(other) end)
    assert Node.list(:hidden) == [device.node]

    # The third one ends without leaving.
    send(three, :end)
    Until.until("the connection to go", fn -> Node.list(:hidden) == [] end)
    assert Node.alive?()
    tell(two, fn -> Dist.finish() end)
    refute Node.alive?()
  end

  test "a connection that existed before, or is to stay, stays" do
    device = Device.start(erlang_only: true)
    target = target(device, Run.dir("state"))
    conn = open(target)
    other = tell(worker(), fn -> open(target) end)
    connection = Dist.keep(other)
    Dist.stay()
    Dist.close(conn)
    Dist.finish()
    assert Node.list(:hidden) == [device.node]

    target |> open() |> Dist.close()
    Dist.finish()
    assert Node.list(:hidden) == [device.node]
    assert Process.alive?(connection)
    Device.kill(device)
    Until.until("it to end with the connection", fn -> not Process.alive?(connection) end)
  end

  test "connect/1 stays connected after its caller has ended, and pushes do not disturb it" do
    bench = bench()
    device = Workbench.device(bench)
    options = [node: device.node, cookie: to_string(device.cookie), timeout: 10_000]
    assert Task.await(Task.async(fn -> Hotpush.connect(options) end), 30_000) == [device.node]
    assert %{status: :done} = Workbench.push(bench, device)
    assert Node.list(:hidden) == [device.node]
  end

  test "connect/1 leaves no node if it reached no device" do
    quiet()
    assert Hotpush.connect(node: "nobody@127.0.0.1", timeout: 2_000) == []
    refute Node.alive?()
  end

  @tag :netns
  test "connect/1 knows names under .local for as long as the connection exists" do
    netns = Netns.start()
    device = Device.start(netns: netns, erlang_only: true)
    host = String.to_charlist(netns.host)
    before = :inet_db.res_option(:lookup)
    assert {:error, _} = :inet.getaddr(host, :inet)
    options = [node: device.node, cookie: to_string(device.cookie), timeout: 10_000]
    assert Hotpush.connect(options) == [device.node]
    assert {:ok, _} = :inet.getaddr(host, :inet)

    # Other users come and go meanwhile.
    :ok = Names.lend([netns.host], 1_000)
    :ok = Names.give_back()
    assert {:ok, _} = :inet.getaddr(host, :inet)

    Device.kill(device)

    Until.until(
      "the name to go",
      fn -> match?({:error, _}, :inet.getaddr(host, :inet)) end,
      90_000
    )

    Until.until("the resolver", fn -> :inet_db.res_option(:lookup) == before end)
  end

  @tag :netns
  test "a name stays for as long as one of its users needs it" do
    netns = Netns.start()
    host = String.to_charlist(netns.host)
    before = :inet_db.res_option(:lookup)
    [one, two] = for _ <- 1..2, do: worker()
    for pid <- [one, two], do: tell(pid, fn -> Names.lend([netns.host], 3_000) end)
    tell(one, fn -> Names.give_back() end)
    assert {:ok, _} = :inet.getaddr(host, :inet)
    assert Names.address(netns.host) == netns.address
    send(two, :end)
    Until.until("the name to go", fn -> match?({:error, _}, :inet.getaddr(host, :inet)) end)
    Until.until("the address to go", fn -> Names.address(netns.host) == nil end)
    assert :inet_db.res_option(:lookup) == before
  end
end
