defmodule Hotpush.Test.Soak do
  @moduledoc """
  Many calls over one session to a real device, over distribution and over ssh. What the host and the
  device keep must not grow: it is measured after a fifth of the calls, and at the end.

  `bin/soak` makes many calls, the suite a few.
  """

  alias Hotpush.Protocol.{Agents, Question, Requests, Session}
  alias Hotpush.Test.{Device, SshDevice, Until, Workbench}
  alias Hotpush.Transport

  # One call of each kind per so many calls; all others are short questions.
  @round 100

  # How much may come and go, in bytes and in processes: the heap of a process grows in steps.
  @slack %{channel: 600_000, link: 600_000, device: 4_000_000, processes: 3}

  @doc """
  Makes `calls` calls while the device writes `lines` lines of its log (only over ssh, where they come
  between its answers). Returns what was measured after a fifth of the calls and at the end.
  """
  @spec run(:dist | :ssh, pos_integer(), non_neg_integer(), (map() -> any())) :: [map()]
  def run(way, calls, lines, tell \\ &Function.identity/1) do
    bench = Workbench.new(:desk, "defmodule Desk do\n  def v, do: 1\nend\n")
    device = start(way, bench)
    target = Workbench.target(bench, device)
    {:ok, target} = target.transport.prepare(target)
    open = fn -> Session.open(target, 20_000) end
    {:ok, session} = if way == :ssh, do: SshDevice.with_path(device, open), else: open.()
    soak = %{way: way, device: inner(device), conn: session.conn, transport: target.transport}
    soak = Map.merge(soak, %{session: session, lines: div(lines * @round, calls)})

    looks = for part <- [1, 4], do: part(soak, part, div(calls, 5), tell)
    Session.close(session)
    target.transport.finish()
    looks
  end

  # Has ssh renew its keys, as it does after an hour.
  defp start(:ssh, bench) do
    device = Workbench.ssh_device(bench)
    File.write!(device.config, File.read!(device.config) <> "RekeyLimit 4M\n")
    device
  end

  defp start(:dist, bench), do: Workbench.device(bench)

  defp inner(%SshDevice{device: device}), do: device
  defp inner(device), do: device

  defp part(soak, parts, calls, tell) do
    Enum.each(1..(parts * calls), &step(soak, &1))
    # The first measurement loads modules on the device.
    if parts == 1, do: seen(soak)
    seen = seen(soak)
    tell.(Map.merge(seen, %{way: soak.way, calls: if(parts == 1, do: calls, else: 5 * calls)}))
    seen
  end

  # One that raises, one that is given up, a long answer, a question, a conversation, lines of a log.
  defp step(soak, n) do
    case rem(n, @round) do
      1 -> {:error, {:raised, _}} = call(soak, {:erlang, :error, [:on_purpose]}, 20_000)
      2 -> give_up(soak)
      3 -> {:ok, <<_::binary-size(100_000)>>} = call(soak, {:rand, :bytes, [100_000]}, 20_000)
      4 -> ask(soak)
      5 -> converse(soak)
      6 -> log(soak)
      _ -> {:ok, ^n} = call(soak, {:erlang, :+, [n, 0]}, 20_000)
    end
  end

  defp call(soak, question, timeout), do: soak.transport.call(soak.conn, question, timeout)

  # On a busy machine, the answer may come first.
  defp give_up(soak) do
    case call(soak, {:timer, :sleep, [20]}, 1) do
      {:error, {:timeout, 1}} -> :ok
      {:ok, :ok} -> :ok
    end
  end

  defp ask(soak) do
    session = Session.renewed(soak.session, 20_000)

    {:ok, %{apps: %{"desk" => _}}, _} =
      Requests.ask(session, [:desk], [:desk], [], %Hotpush.Protocol.Memory{})
  end

  defp converse(soak) do
    question = &Question.transact(Agents.stage(), :stage, {&1, &2}, "ada@host")
    {:ok, conversation} = soak.transport.start(soak.conn, question, 20_000)
    {:ok, :ready} = soak.transport.receive(conversation, 20_000)
    soak.transport.send(conversation, {:piece, :rand.bytes(1_000)})
    {:ok, {:staged, 0}} = soak.transport.receive(conversation, 20_000)
    work = %{steps: [], purge: :soft, force: false, patience: 10_000}
    soak.transport.send(conversation, {:commit, work})
    {:ok, {:done, _}} = soak.transport.receive(conversation, 20_000)
    :ok = soak.transport.stop(conversation)
    # The next call must not find the device busy.
    Until.until("the agent to be gone", fn -> transaction(soak) == :undefined end)
  end

  defp transaction(soak), do: device(soak, :erlang, :whereis, [:hotpush_transaction])

  defp log(%{way: :dist}), do: :ok

  defp log(soak) do
    line = "12:00:00.000 [info] a line of the device's log, in the middle of everything\n"
    {:ok, :ok} = call(soak, {:io, :put_chars, [String.duplicate(line, soak.lines)]}, 20_000)
  end

  # By then, everything that was under way has ended.
  defp seen(soak) do
    until = fn label, fun -> Until.until(label, fun, 20_000) end
    until.("all calls to be forgotten", fn -> table(soak) == 0 end)
    before = device(soak, :erlang, :system_info, [:process_count])
    # For a moment, a call of the test itself leaves a process behind.
    device(soak, :timer, :sleep, [50])

    %{
      table: table(soak),
      queue: queue(soak),
      channel: channel(soak),
      link: link(soak),
      processes: min(before, device(soak, :erlang, :system_info, [:process_count])),
      atoms: device(soak, :erlang, :system_info, [:atom_count]),
      device: memory(soak)
    }
  end

  defp table(%{way: :dist}), do: 0
  defp table(soak), do: map_size(:sys.get_state(soak.conn.channel).exchange.calls)

  # Messages that wait in the process that holds the session, and in the caller.
  defp queue(soak) do
    for pid <- [self(), channel_of(soak)], do: pid |> info(:message_queue_len) |> elem(1)
  end

  defp channel_of(%{conn: %Transport.Ssh{channel: channel}}), do: channel
  defp channel_of(_soak), do: self()

  defp channel(soak) do
    :erlang.garbage_collect(channel_of(soak))
    soak |> channel_of() |> info(:memory) |> elem(1)
  end

  defp info(pid, key), do: Process.info(pid, key)

  # The process on the device that serves the session.
  defp link(%{way: :dist}), do: 0

  defp link(soak) do
    pid = device(soak, :erlang, :list_to_pid, [soak.transport.served_by(soak.conn)])
    device(soak, :erlang, :garbage_collect, [pid])
    {:message_queue_len, 0} = device(soak, :erlang, :process_info, [pid, :message_queue_len])
    soak |> device(:erlang, :process_info, [pid, :memory]) |> elem(1)
  end

  defp memory(soak) do
    for pid <- device(soak, :erlang, :processes, []),
        do: device(soak, :erlang, :garbage_collect, [pid])

    device(soak, :erlang, :memory, [:processes])
  end

  defp device(soak, module, function, args),
    do: Device.call(soak.device, module, function, args)

  @doc """
  The names of what is measured: entries in the host's table of calls, messages that wait in the caller
  and in the channel, bytes of the channel and of the link on the device, bytes of all processes
  there, their number, and the number of atoms.
  """
  @spec figures() :: [atom()]
  def figures, do: [:table, :queue, :channel, :link, :device, :processes, :atoms]

  @doc "What has grown from the first measurement to the last, as sentences."
  @spec grown([map()]) :: [String.t()]
  def grown([first, last]) do
    more =
      for {key, slack} <- @slack, last[key] > first[key] + slack do
        "#{key}: #{first[key]}, then #{last[key]}"
      end

    left = for {:queue, [_, _] = queue} <- last, Enum.sum(queue) > 0, do: "messages that wait"
    atoms = if last.atoms > first.atoms, do: ["atoms: #{first.atoms}, then #{last.atoms}"]
    more ++ left ++ List.wrap(atoms)
  end
end
