defmodule Hotpush.ApplicationTest do
  @moduledoc """
  Processes that outlive a call. Without these tests, a crash or a stop could leave this VM a node, or
  leave it with names that only a push needed.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Discovery.{Ledger, Names}
  alias Hotpush.Test.{Until, Workbench}
  alias Hotpush.Transport.Adb.Claims
  alias Hotpush.Transport.ChildEnv.Withheld
  alias Hotpush.Transport.Dist
  alias Hotpush.Turn

  @porch ~c"porch.local"

  setup do
    # Supervisors log each crash.
    :logger.set_handler_config(:default, :level, :none)

    on_exit(fn ->
      :logger.set_handler_config(:default, :level, :all)
      Hotpush.Application.ensure_started()
      Until.until("the node to go", fn -> Dist.finish() == :ok and not Node.alive?() end)
    end)
  end

  # One after the other: the next one is killed when this one has been replaced.
  defp kill(name) do
    pid = Process.whereis(name)
    Process.exit(pid, :kill)
    Until.until("another #{inspect(name)}", fn -> Process.whereis(name) not in [nil, pid] end)
  end

  defp children do
    for {_id, pid, _, _} <- Supervisor.which_children(Hotpush.Application),
        do: pid |> Process.info(:registered_name) |> elem(1)
  end

  # Calls a function, then waits until it is ended.
  defp holder(fun) do
    test = self()

    pid =
      spawn(fn ->
        send(test, {self(), fun.()})
        Process.sleep(:infinity)
      end)

    assert_receive {^pid, answer}, 20_000
    {pid, answer}
  end

  defp bench, do: Workbench.new(:desk, "defmodule Desk do\n  def v, do: 1\nend\n")

  defp resolves?, do: :inet.getaddr(@porch, :inet) == {:ok, {127, 0, 0, 9}}

  defp open(target) do
    {:ok, target} = Dist.prepare(target)
    Dist.open(target, 20_000)
  end

  test "each of its processes may be killed: what it owned still ends with those who use it" do
    bench = bench()
    device = Workbench.device(bench)
    lookup = :inet_db.res_option(:lookup)
    assert length(children()) == 6

    {push, {:ok, conn}} = holder(fn -> open(Workbench.target(bench, device)) end)

    {lent, :ok} =
      holder(fn -> Ledger.lend(["porch.local"], %{"porch.local" => {127, 0, 0, 9}}) end)

    {turn, _} = holder(fn -> spawn_link(fn -> Turn.take(:desk, &wait/0) end) end)
    Claims.put_node("R5CT", :"phone@127.0.0.1")
    Withheld.add(["DESK_SECRET"])

    for name <- children(), do: kill(name)

    # The pushes that are under way go on.
    assert Dist.call(conn, {:erlang, :+, [1, 2]}, 20_000) == {:ok, 3}
    assert resolves?()
    assert Claims.get("R5CT").node == :"phone@127.0.0.1"
    assert "DESK_SECRET" in Withheld.names()
    next = Task.async(fn -> Turn.take(:desk, fn -> :taken end) end)
    assert Task.yield(next, 50) == nil

    for pid <- [turn, lent, push], do: Process.exit(pid, :kill)
    assert Task.await(next) == :taken
    Until.until("the name to go", fn -> Names.give_back() == :ok and not resolves?() end)
    assert :inet_db.res_option(:lookup) == lookup
    Until.until("the node to go", fn -> not Node.alive?() end)
    Claims.delete("R5CT")

    assert %{status: :done, failures: []} = Workbench.push(bench, device)
    refute Node.alive?()
  end

  test "when it stops, it leaves nothing behind; the next call starts it again" do
    bench = bench()
    device = Workbench.device(bench)
    lookup = :inet_db.res_option(:lookup)
    holder(fn -> open(Workbench.target(bench, device)) end)
    holder(fn -> Ledger.lend(["porch.local"], %{"porch.local" => {127, 0, 0, 9}}) end)

    assert Hotpush.Application.stop() == :ok
    refute Node.alive?()
    refute resolves?()
    assert :inet_db.res_option(:lookup) == lookup

    assert {:ok, [_ | _]} = {:ok, Hotpush.runtime_beam_dirs()}
    assert %{status: :done, failures: []} = Workbench.push(bench, device)
    assert DynamicSupervisor.count_children(Hotpush.Lines).active == 0
    refute Node.alive?()
  end

  test "whichever function is called first starts it" do
    bad = [purge: "hard", node: "nobody@127.0.0.1"]

    for call <- [
          fn -> Hotpush.push(bad) end,
          fn -> Hotpush.push!(bad) end,
          fn -> Hotpush.plan(bad) end,
          fn -> Hotpush.connect(bad) end,
          fn -> Hotpush.disconnect(bad) end,
          fn -> Hotpush.push_all([:"nobody@127.0.0.1"], bad) end,
          fn -> Hotpush.push_all_to_device("nobody@127.0.0.1", bad) end,
          fn -> Hotpush.push_changed([:"nobody@127.0.0.1"], %{}, bad) end,
          fn -> Hotpush.snapshot_beams() end
        ] do
      Hotpush.Application.stop()

      try do
        call.()
      rescue
        error in Hotpush.Error -> assert error.stage == :usage
      end
    end
  end

  defp wait do
    receive do
      :never -> :ok
    end
  end
end
