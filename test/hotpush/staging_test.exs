defmodule Hotpush.StagingTest do
  @moduledoc "Large pushes: in chunks, all or nothing, forgotten when the host goes away."
  use ExUnit.Case, async: false

  alias Hotpush.Error
  alias Hotpush.Protocol.{Agents, Bundle, Question, Session}
  alias Hotpush.Test.{Device, Link, SshDevice, Until, Workbench}

  # Big enough to be staged: incompressible text in each module.
  defp modules(seed) do
    for number <- 1..24 do
      noise =
        Base.encode64(
          for block <- 1..1200, into: "", do: :erlang.md5("#{seed} #{number} #{block}")
        )

      "defmodule Desk.M#{number} do\n  def v, do: \"#{noise}\"\nend\n"
    end
    |> Enum.join()
  end

  setup do
    bench = Workbench.new(:desk, modules(1))
    %{bench: bench, device: Workbench.device(bench, mode: :embedded, link: 0)}
  end

  test "takes three round trips, and says how far it is", %{bench: bench, device: device} do
    Workbench.write(bench, modules(2))
    me = self()
    outcome = Workbench.push(bench, device, progress: &send(me, {:progress, &1}))
    assert %{status: :done, round_trips: 3} = outcome
    assert length(outcome.loaded) == 24
    assert_received {:progress, {:sent, first, 24}} when first < 24
    assert_received {:progress, {:sent, 24, 24}}
    assert Workbench.push(bench, device).round_trips == 1
    assert Device.agents(device) == []
  end

  test "counts the bytes that crossed the link", %{bench: bench, device: device} do
    Workbench.write(bench, modules(2))
    outcome = Workbench.push(bench, device)
    {to_device, to_host} = Link.bytes(device.link)
    assert outcome.sent == to_device
    # That the program there has ended may be told after the answer, when all is counted.
    assert outcome.received in (to_host - 200)..to_host
  end

  test "a link that is cut before the commit leaves the device as it was", context do
    %{bench: bench, device: device} = context
    Workbench.write(bench, modules(2))
    before = Device.call(device, Desk.M1, :v, [])
    Link.cut_after(device.link, :to_device, 120_000)
    outcome = Workbench.push(bench, device, timeout: 5_000)
    assert %{status: :failed, loaded: []} = outcome
    assert [%{stage: :load, reason: :connection_lost}] = outcome.failures
    untouched(device, before)
    Link.resume(device.link)

    outcome = Workbench.push(bench, device)
    assert outcome.failures == []
    assert length(outcome.loaded) == 24
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "a host that dies in the middle is forgotten", %{bench: bench, device: device} do
    before = Device.call(device, Desk.M1, :v, [])
    me = self()

    # A host that stages one module and sends nothing more.
    host =
      spawn(fn ->
        target = Workbench.target(bench, device)

        {:ok, _} = target.transport.prepare(target)
        {:ok, session} = Session.open(target, 5_000)
        question = &Question.transact(Agents.stage(), :stage, {&1, &2}, "ada@host")
        {:ok, conversation} = target.transport.start(session.conn, question, 5_000)
        {:ok, :ready} = target.transport.receive(conversation, 5_000)
        target.transport.send(conversation, {:chunk, :load, bundle("half a beam")})
        {:ok, {:staged, 1}} = target.transport.receive(conversation, 5_000)
        send(me, :staged)
        Process.sleep(:infinity)
      end)

    assert_receive :staged, 10_000
    # Meanwhile the device is busy.
    Workbench.write(bench, modules(2))
    busy = Workbench.push(bench, device)
    assert %{status: :refused, refusals: [%{reason: {:busy, "ada@host", _}} = error]} = busy

    assert Error.message(error) =~
             ~r/is busy with another push, which "ada@host" started \d+ s ago\./

    Process.exit(host, :kill)
    untouched(device, before)
    Hotpush.Transport.Dist.finish()
    assert length(Workbench.push(bench, device).loaded) == 24
  end

  test "a device can be asked while another push's agent comes and goes", context do
    %{bench: bench, device: device} = context

    Device.spawn(device, """
    come = fn come ->
      for {module, beam} <- :erlang.binary_to_term(#{inspect(:erlang.term_to_binary(elem(Agents.stage(), 1)), limit: :infinity)}) do
        :code.load_binary(module, ~c"none", beam)
        :code.delete(module)
        :code.purge(module)
      end
      come.(come)
    end
    come.(come)
    """)

    for _ <- 1..30, do: assert(%{status: :done, round_trips: 1} = Workbench.push(bench, device))
  end

  # Over distribution and ssh alike; all wait side by side.
  test "a host that falls silent is forgotten, one that is there is not", %{bench: bench} do
    ssh = for _ <- 1..2, do: Workbench.ssh_device(bench, link: 0)
    dist = for _ <- 1..2, do: Workbench.device(bench, link: 0)

    kinds =
      for {kind, devices} <- [dist: dist, ssh: ssh],
          {d, n} <- Enum.with_index(devices),
          do: {kind, d, n == 0}

    me = self()
    source = "defmodule Desk.M1 do\n  def v, do: String.duplicate(\"x\", 400_000)\nend\n"
    [{_, beam}] = Code.compile_string(source)
    :code.purge(Desk.M1)
    :code.delete(Desk.M1)

    hosts =
      for {kind, device, silent?} <- kinds do
        target = Workbench.target(bench, device)
        node = if kind == :ssh, do: device.device, else: device

        host =
          spawn_link(fn ->
            {session, conversation} = staged(target, kind == :ssh && device, beam)
            if silent?, do: Link.stall(device.link)
            send(me, {:staged, self()})
            receive do: (:commit -> :ok)
            Link.resume(device.link)
            work = %{steps: [load: []], purge: :soft, force: false, patience: 10_000}
            target.transport.send(conversation, {:commit, work})
            answer = target.transport.receive(conversation, 20_000)
            target.transport.stop(conversation)
            Session.close(session)
            send(me, {:answer, self(), answer})
          end)

        {host, node, silent?}
      end

    for {host, _, _} <- hosts, do: assert_receive({:staged, ^host}, 20_000)

    for {_, node, true} <- hosts,
        do: Until.until("the silent one to be forgotten", fn -> not held?(node) end)

    for {_, node, false} <- hosts, do: assert(held?(node))

    for {host, node, silent?} <- hosts do
      before = Device.call(node, Desk.M1, :v, [])
      send(host, :commit)
      assert_receive {:answer, ^host, answer}, 20_000

      # A commit that comes late is answered, and nothing was changed.
      if silent? do
        assert answer == {:ok, {:refused, :silent}}
        assert Device.call(node, Desk.M1, :v, []) == before
      else
        assert {:ok, {:done, _}} = answer
        assert byte_size(Device.call(node, Desk.M1, :v, [])) == 400_000
      end
    end

    refused = Hotpush.Error.new(:refusal, "porch", :silent)
    assert Error.message(refused) =~ "porch received nothing from this computer for 5 s"
  end

  defp bundle(content), do: Bundle.pack([{"Elixir.Desk.M1", :desk, content}])

  # One module in one chunk, larger than the pieces that it is sent in.
  defp staged(target, ssh, beam) do
    open = fn -> Session.open(target, 20_000) end
    {:ok, target} = target.transport.prepare(target)
    {:ok, session} = if ssh, do: SshDevice.with_path(ssh, open), else: open.()
    question = &Question.transact(Agents.stage(), :stage, {&1, &2}, "ada@host")
    {:ok, conversation} = target.transport.start(session.conn, question, 20_000)
    {:ok, :ready} = target.transport.receive(conversation, 20_000)
    <<first::binary-size(100), last::binary>> = bundle(beam)
    target.transport.send(conversation, {:piece, first})
    {:ok, {:staged, 0}} = target.transport.receive(conversation, 20_000)
    target.transport.send(conversation, {:chunk, :load, last})
    {:ok, {:staged, 1}} = target.transport.receive(conversation, 20_000)
    {session, conversation}
  end

  defp held?(device),
    do: Device.call(device, :erlang, :whereis, [:hotpush_transaction]) != :undefined

  defp untouched(device, before) do
    Until.until("the agent to take itself out", fn ->
      Device.agents(device) == [] and
        Device.call(device, :erlang, :whereis, [:hotpush_transaction]) == :undefined
    end)

    assert Device.call(device, Desk.M1, :v, []) == before
    refute Device.call(device, :erlang, :check_old_code, [Desk.M1])
  end
end
