defmodule Hotpush.LastingTest do
  @moduledoc """
  A session that lasts, over distribution and over ssh: nothing that is kept for it grows, neither
  here nor on the device, and what takes too long costs one call. `bin/soak` makes 50,000 calls.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Error
  alias Hotpush.Protocol.{Agents, Question, Requests, Session}
  alias Hotpush.Test.{Device, Link, Run, Soak, SshDevice, Until, Workbench}
  alias Hotpush.Transport.Dist

  @moduletag :ssh

  setup do
    on_exit(fn ->
      Until.until("the node to go", fn -> Dist.finish() == :ok and not Node.alive?() end)
    end)
  end

  for {way, calls, lines} <- [{:dist, 1_000, 0}, {:ssh, 2_000, 5_000}] do
    test "#{calls} calls and #{lines} lines of the device's log leave nothing behind (#{way})" do
      looks = Soak.run(unquote(way), unquote(calls), unquote(lines))
      assert {Soak.grown(looks), looks} == {[], looks}
    end
  end

  defp open(way, options \\ [link: 0]) do
    bench = Workbench.new(:desk, "defmodule Desk do\n  def v, do: 1\nend\n")

    device =
      if way == :ssh,
        do: Workbench.ssh_device(bench, options),
        else: Workbench.device(bench, options)

    target = %{Workbench.target(bench, device) | state_dir: Run.dir("state")}
    {:ok, target} = target.transport.prepare(target)
    open = fn -> Session.open(target, 20_000) end
    {:ok, session} = if way == :ssh, do: SshDevice.with_path(device, open), else: open.()
    {device, session}
  end

  defp ask(session), do: Requests.ask(session, [:desk], [:desk], [], %Hotpush.Protocol.Memory{})

  test "a visit that runs out of time ends, and another one follows in the same session" do
    for way <- [:dist, :ssh] do
      {device, session} = open(way)
      assert {:ok, %{apps: %{"desk" => _}}, session} = ask(session)
      Link.stall(device.link)
      assert {:error, error, session} = session |> Session.renewed(300) |> ask()
      assert %Error{stage: :ask, reason: {:timeout, 300}} = error
      # Its time is over.
      assert {:error, %Error{reason: {:timeout, 300}}, session} = ask(session)
      Link.resume(device.link)
      session = Session.renewed(session, 20_000)
      assert {:ok, %{apps: %{"desk" => _}}, %{round_trips: 4}} = ask(session)
      assert Link.connections(device.link) == 1
      Session.close(session)
      assert Process.info(self(), :message_queue_len) == {:message_queue_len, 0}
    end
  end

  test "a conversation that is over is forgotten on both sides, even if its process has ended" do
    {device, %{conn: conn, target: %{transport: ssh}} = session} = open(:ssh, [])
    node = device.device
    link = Device.call(node, :erlang, :list_to_pid, [conn.address])
    begin = fn -> ssh.start(conn, fn _, _ -> {:timer, :sleep, [:infinity]} end, 20_000) end
    say = fn {_, id}, text -> Device.call(node, :erlang, :send, [link, {id, text}]) end
    under_way = fn -> map_size(:sys.get_state(conn.channel).exchange.calls) end

    {:ok, conversation} = begin.()
    # The device has begun it when it answers what was asked after it.
    assert ssh.call(conn, {:erlang, :+, [1, 2]}, 20_000) == {:ok, 3}
    say.(conversation, "in time")
    assert ssh.receive(conversation, 20_000) == {:ok, "in time"}
    say.(conversation, "never asked for")
    assert ssh.receive(conversation, 0) in [{:error, {:timeout, 0}}, {:ok, "never asked for"}]
    ssh.stop(conversation)
    say.(conversation, "late")
    Until.until("it to be forgotten", fn -> under_way.() == 0 end)
    say.(conversation, "later")
    ssh.send(conversation, {:still, :there})
    assert ssh.call(conn, {:erlang, :+, [1, 2]}, 20_000) == {:ok, 3}

    test = self()

    {owner, monitor} =
      spawn_monitor(fn ->
        send(test, begin.())
        ssh.call(conn, {:timer, :sleep, [:infinity]}, :infinity)
      end)

    assert_receive {:ok, conversation}, 20_000
    Until.until("its call to be under way", fn -> under_way.() == 2 end)
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^owner, :killed}
    Until.until("both to be forgotten", fn -> under_way.() == 0 end)
    say.(conversation, "late")
    assert ssh.call(conn, {:erlang, :+, [1, 2]}, 20_000) == {:ok, 3}
    Session.close(session)
  end

  test "an answer that comes after its conversation is over is dropped (dist)" do
    {device, %{conn: conn, target: %{transport: dist}} = session} = open(:dist, [])
    question = &Question.transact(Agents.stage(), :stage, {&1, &2}, "ada@host")
    {:ok, conversation} = dist.start(conn, question, 20_000)
    assert dist.receive(conversation, 20_000) == {:ok, :ready}
    for _ <- 1..3, do: dist.send(conversation, {:piece, "never asked for"})
    dist.stop(conversation)
    holder = fn -> Device.call(device, :erlang, :whereis, [:hotpush_transaction]) end
    Until.until("it to leave", fn -> holder.() == :undefined end)
    assert dist.call(conn, {:erlang, :+, [1, 2]}, 20_000) == {:ok, 3}
    assert Process.info(self(), :messages) == {:messages, []}
    Session.close(session)
  end

  test "a long answer arrives whole, although the device writes its log in the middle of it" do
    {_device, %{conn: conn, target: %{transport: ssh}} = session} = open(:ssh, [])
    {:ok, logger} = ssh.start(conn, &logging/2, 20_000)
    assert {:ok, :logging} = ssh.receive(logger, 20_000)

    for _ <- 1..5 do
      assert {:ok, answer} = ssh.call(conn, {:rand, :bytes, [1_000_000]}, 20_000)
      assert byte_size(answer) == 1_000_000
    end

    ssh.stop(logger)
    Session.close(session)
  end

  # Writes where the session's answers are written, until the session is over.
  defp logging(address, id) do
    {:ok, tokens, _} =
      :erl_scan.string(~c"""
      Link = list_to_pid(Address),
      Link ! {Id, logging},
      Log = fun Log() ->
          io:put_chars("12:00:00.000 [info] hotpush is at it\\n"),
          receive after 1 -> ok end,
          case is_process_alive(Link) of true -> Log(); false -> over end
      end,
      Log().
      """)

    {:ok, program} = :erl_parse.parse_exprs(tokens)
    {:erl_eval, :exprs, [program, [Address: address, Id: id]]}
  end
end
