defmodule Hotpush.StagingTest do
  @moduledoc "Large pushes: in chunks, all or nothing, forgotten when the host goes away."
  use ExUnit.Case, async: false

  alias Hotpush.{Question, Session, Target}
  alias Hotpush.Test.{Device, Until, Workbench}

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
    refute Device.call(device, :erlang, :module_loaded, [:hotpush_agent])
  end

  test "counts the bytes that crossed the link", %{bench: bench, device: device} do
    Workbench.write(bench, modules(2))
    outcome = Workbench.push(bench, device)
    {to_device, to_host} = Hotpush.Test.Link.bytes(device.link)
    assert outcome.sent == to_device
    # That the program there has ended may be told after the answer, when all is counted.
    assert outcome.received in (to_host - 200)..to_host
  end

  test "a link that is cut before the commit leaves the device as it was", context do
    %{bench: bench, device: device} = context
    Workbench.write(bench, modules(2))
    before = Device.call(device, Desk.M1, :v, [])
    Hotpush.Test.Link.cut_after(device.link, :to_device, 120_000)
    outcome = Workbench.push(bench, device, timeout: 5_000)
    assert %{status: :failed, loaded: []} = outcome
    assert [%{stage: :load, reason: :connection_lost}] = outcome.failures
    untouched(device, before)
    Hotpush.Test.Link.resume(device.link)

    outcome = Workbench.push(bench, device)
    assert outcome.failures == []
    assert length(outcome.loaded) == 24
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "a host that dies in the middle is forgotten", %{bench: bench, device: device} do
    before = Device.call(device, Desk.M1, :v, [])
    me = self()

    # A host that stages one module and says nothing more.
    host =
      spawn(fn ->
        target = %Target{
          name: "half",
          transport: Hotpush.Transport.Dist,
          node: device.node,
          cookie: Hotpush.Secret.wrap(device.cookie),
          state_dir: bench.state_dir
        }

        {:ok, _} = target.transport.prepare(target)
        {:ok, session} = Session.open(target, 5_000)
        question = &Question.transact(Question.agent(), :stage, {&1, &2})
        {:ok, conversation} = target.transport.start(session.conn, question, 5_000)
        {:ok, :ready} = target.transport.receive(conversation, 5_000)
        target.transport.send(conversation, {:chunk, [{Desk.M1, :desk, "half a beam"}]})
        {:ok, {:staged, 1}} = target.transport.receive(conversation, 5_000)
        send(me, :staged)
        Process.sleep(:infinity)
      end)

    assert_receive :staged, 10_000
    # Meanwhile the device is busy.
    Workbench.write(bench, modules(2))
    busy = Workbench.push(bench, device)
    assert %{status: :refused, refusals: [%{reason: :busy}]} = busy

    Process.exit(host, :kill)
    untouched(device, before)
    Hotpush.Transport.Dist.finish()
    assert length(Workbench.push(bench, device).loaded) == 24
  end

  defp untouched(device, before) do
    Until.until("the agent to take itself out", fn ->
      not Device.call(device, :erlang, :module_loaded, [:hotpush_agent]) and
        Device.call(device, :erlang, :whereis, [:hotpush_transaction]) == :undefined
    end)

    assert Device.call(device, Desk.M1, :v, []) == before
    refute Device.call(device, :erlang, :check_old_code, [Desk.M1])
  end
end
