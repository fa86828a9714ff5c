defmodule Hotpush.Discovery.SurveyTest do
  @moduledoc "The timeout is honoured by how asking is built: nothing here measures time."
  use ExUnit.Case

  alias Hotpush.{Config, Project, Scanner, Target, Visit}
  alias Hotpush.Discovery.Survey
  alias Hotpush.Test.{Device, Until}

  # A transport that says what it was told, and does as its target says.
  defmodule Stub do
    @behaviour Hotpush.Transport

    @impl true
    def prepare(%{node: :prepare_hangs} = target), do: hang(target, :prepare, nil)
    def prepare(%{node: :prepare_fails} = target), do: {:error, error(target)}
    def prepare(target), do: {:ok, target}

    @impl true
    def finish do
      Kernel.send(owner(), :finished)
      :ok
    end

    @impl true
    def open(%{node: :open_hangs} = target, timeout), do: hang(target, :open, timeout)
    def open(%{node: :open_raises}, _timeout), do: raise("boom")
    def open(%{node: :open_exits}, _timeout), do: exit(:boom)
    def open(%{node: :open_fails} = target, _timeout), do: {:error, error(target)}
    def open(target, timeout), do: {:ok, {target, timeout}}

    @impl true
    def call({target, _}, _question, timeout), do: hang(target, :call, timeout)

    @impl true
    def bytes(_conn), do: {0, 0}
    @impl true
    def close(_conn), do: :ok
    @impl true
    def start(_, _, _), do: {:error, :connection_lost}
    @impl true
    def send(_, _), do: :ok
    @impl true
    def receive(_, _), do: {:error, :connection_lost}

    defp hang(target, where, timeout) do
      Kernel.send(owner(), {:hangs, target.node, where, timeout, self()})
      Process.sleep(:infinity)
    end

    defp owner, do: Process.whereis(Hotpush.Discovery.SurveyTest)
    defp error(target), do: Hotpush.Error.new(:connect, target.name, :handshake_refused)
  end

  setup do
    Process.register(self(), __MODULE__)
    :ok
  end

  defp target(node, number \\ 1) do
    %Target{name: "#{node}_#{number}", node: node, transport: Stub, way: {:node, node}}
  end

  defp visit do
    %Visit{
      config: %Config{timeout: 3_600_000},
      project: %Project{state_dir: Hotpush.Test.Run.dir("state"), target: :host},
      scanner: Scanner.default(),
      inventory: fn -> {:error, Hotpush.Error.new(:discover, "the build", :slow_scan)} end
    }
  end

  defp hung(outcomes), do: for(%{failures: [%{reason: {:timeout, ms}}]} <- outcomes, do: ms)

  test "whatever hangs, and however many: each has an outcome, and none goes on" do
    targets =
      for number <- 1..50, do: target(Enum.at([:open_hangs, :call], rem(number, 2)), number)

    outcomes = Survey.ask(visit(), targets, 300)
    assert Enum.map(outcomes, & &1.target.name) == Enum.map(targets, & &1.name)
    assert hung(outcomes) == List.duplicate(300, 50)
    assert_received :finished

    # Every one of them was at it, at once, and was given no more than there was.
    pids =
      for _ <- 1..50 do
        assert_received {:hangs, _node, where, timeout, pid} when where in [:open, :call]
        assert timeout <= 300
        pid
      end

    for pid <- Enum.uniq(pids), do: refute(Process.alive?(pid))
    refute_received {_tag, _index, _late}
  end

  test "also what hangs before a visit; those before it have been visited" do
    adb = %{target(:prepare_hangs) | way: {:adb, "R5CT", nil}}
    assert [_, _] = outcomes = Survey.ask(visit(), [adb, target(:open_fails)], 300)
    assert hung(outcomes) == [300]
    assert [%{reason: :handshake_refused}] = Enum.at(outcomes, 1).failures
    assert_received {:hangs, :prepare_hangs, :prepare, nil, pid}
    refute Process.alive?(pid)
  end

  test "who answers is not kept by who does not, and errors are told" do
    targets =
      for node <- [:open_fails, :prepare_fails, :open_raises, :open_exits], do: target(node)

    reasons = for %{failures: [error]} <- Survey.ask(visit(), targets, 60_000), do: error.reason

    assert [
             :handshake_refused,
             :handshake_refused,
             {:raised, "boom"},
             {:raised, "** (exit) :boom"}
           ] = reasons

    assert Survey.ask(visit(), [], 60_000) == []
  end

  test "what hangs ends with whoever asked" do
    me = self()
    asker = spawn(fn -> Survey.ask(visit(), [target(:open_hangs)], 3_600_000) end)
    assert_receive {:hangs, :open_hangs, :open, _, pid}, 10_000
    assert me != asker
    Process.exit(asker, :kill)
    Until.until("the visit to end", fn -> not Process.alive?(pid) end)
  end

  test "a real device that is frozen costs only itself" do
    frozen = Device.start()
    Device.freeze(frozen)

    target = %Target{
      name: to_string(frozen.node),
      node: frozen.node,
      way: {:node, frozen.node},
      cookie: Hotpush.Secret.wrap(frozen.cookie),
      transport: Hotpush.Transport.Dist,
      state_dir: Hotpush.Test.Run.dir("state")
    }

    assert [300] = hung(Survey.ask(visit(), [target], 300))
    Device.thaw(frozen)
    assert [%{device: %{otp: otp}}] = Survey.ask(visit(), [target], 30_000)
    assert is_binary(otp)
  end
end
