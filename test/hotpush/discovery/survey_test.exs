defmodule Hotpush.Discovery.SurveyTest do
  @moduledoc "Asking keeps its timeout, whatever hangs. Nothing here measures time."
  use ExUnit.Case

  alias Hotpush.{Config, Project, Scanner}
  alias Hotpush.Config.Target
  alias Hotpush.Push.Visit
  alias Hotpush.Discovery.Survey
  alias Hotpush.Test.{Device, Until}

  # A transport that reports its calls, and behaves as its target says.
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
    @impl true
    def stop(_), do: :ok
    @impl true
    def served_by(_), do: :none

    defp hang(target, where, timeout) do
      Kernel.send(owner(), {:hangs, target.node, where, timeout, self()})
      Process.sleep(:infinity)
    end

    defp owner, do: Process.whereis(Hotpush.Discovery.SurveyTest)
    defp error(target), do: Hotpush.Error.new(:connect, target.name, :handshake_refused)
  end

  setup do
    # The process of the previous test may not have ended yet.
    Until.until("the name to be free", fn -> Process.whereis(__MODULE__) == nil end)
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

  test "however many hang, and wherever: each has a result, and none runs on" do
    targets =
      for number <- 1..50, do: target(Enum.at([:open_hangs, :call], rem(number, 2)), number)

    outcomes = Survey.ask(visit(), targets, 300)
    assert Enum.map(outcomes, & &1.target.name) == Enum.map(targets, & &1.name)
    # The message has the time that the user chose, not what was left of it.
    assert hung(outcomes) == List.duplicate(3_600_000, 50)
    assert_received :finished

    # All of them ran at the same time, and none got more than the time that was left.
    pids =
      for _ <- 1..50 do
        assert_received {:hangs, _node, where, timeout, pid} when where in [:open, :call]
        assert timeout <= 300
        pid
      end

    for pid <- Enum.uniq(pids), do: refute(Process.alive?(pid))
    refute_received {_tag, _index, _late}
  end

  test "the same if preparing hangs; the targets before it have been visited" do
    adb = %{target(:prepare_hangs) | way: {:adb, "R5CT", nil}}
    assert [_, _] = outcomes = Survey.ask(visit(), [adb, target(:open_fails)], 300)
    assert length(hung(outcomes)) == 1
    assert [%{reason: :handshake_refused}] = Enum.at(outcomes, 1).failures
    assert_received {:hangs, :prepare_hangs, :prepare, nil, pid}
    refute Process.alive?(pid)
  end

  test "devices that answer do not wait for those that do not, and errors are reported" do
    targets =
      for node <- [:open_fails, :prepare_fails, :open_raises, :open_exits], do: target(node)

    reasons = for %{failures: [error]} <- Survey.ask(visit(), targets, 60_000), do: error.reason

    assert [
             :handshake_refused,
             :handshake_refused,
             {:fault, "RuntimeError", _where},
             {:fault, "exit boom", _}
           ] = reasons

    assert Survey.ask(visit(), [], 60_000) == []
  end

  test "devices join while others are asked, and their results come in that order" do
    survey = Survey.start(visit(), [target(:open_hangs)], 1_000)
    assert_receive {:hangs, :open_hangs, :open, _, _pid}, 10_000
    Survey.add(survey, [target(:open_fails), target(:open_raises)])
    Survey.add(survey, [target(:prepare_fails)])
    refute_received :finished
    outcomes = Survey.results(survey)
    assert_received :finished

    assert [{:timeout, _}, :handshake_refused, {:fault, _, _}, :handshake_refused] =
             for(%{failures: [error]} <- outcomes, do: error.reason)
  end

  test "a device that joins too late has a result, too" do
    survey = Survey.start(visit(), [target(:open_hangs)], 300)
    assert_receive {:hangs, :open_hangs, :open, _, pid}, 10_000
    Until.until("the time to be over", fn -> not Process.alive?(pid) end)
    Survey.add(survey, [target(:open_fails)])
    assert [_, _] = hung(Survey.results(survey))
  end

  test "a device without its cookie is not visited" do
    error = Hotpush.Error.new(:usage, "hotpush.toml:1:1", {:cookie_not_set, "IT"})
    target = %{target(:prepare_hangs) | cookie_error: error}
    assert [%{failures: [^error], device: nil}] = Survey.ask(visit(), [target], 60_000)
    refute_received {:hangs, _, _, _, _}
  end

  # Its queue is full, so that other connections wait for ever.
  defp full_port do
    {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, backlog: 0)
    {:ok, port} = :inet.port(listener)
    fill(port)
    {listener, port}
  end

  defp fill(port) do
    with {:ok, _held} <- :gen_tcp.connect({127, 0, 0, 1}, port, [], 500), do: fill(port)
  end

  test "the result says why a node hangs, within the time" do
    {listener, port} = full_port()
    name = Hotpush.Test.Run.name("hang")
    held = Hotpush.Test.Epmd.register(name, port)
    node = :"#{name}@127.0.0.1"

    target = %{
      target(node)
      | transport: Hotpush.Transport.Dist,
        cookie: Hotpush.Config.Secret.wrap(:any),
        state_dir: Hotpush.Test.Run.dir("state")
    }

    assert [%{failures: [error]}] = Survey.ask(visit(), [target], 2_000)
    assert {:port_closed, "127.0.0.1", ^port, :timeout} = error.reason
    :gen_tcp.close(held)
    :gen_tcp.close(listener)
  end

  test "work that hangs ends with the caller" do
    me = self()
    asker = spawn(fn -> Survey.ask(visit(), [target(:open_hangs)], 3_600_000) end)
    assert_receive {:hangs, :open_hangs, :open, _, pid}, 10_000
    assert me != asker
    Process.exit(asker, :kill)
    Until.until("the visit to end", fn -> not Process.alive?(pid) end)
  end

  test "a real device that is frozen does not affect the others" do
    frozen = Device.start()
    Device.freeze(frozen)

    target = %Target{
      name: to_string(frozen.node),
      node: frozen.node,
      way: {:node, frozen.node},
      cookie: Hotpush.Config.Secret.wrap(frozen.cookie),
      transport: Hotpush.Transport.Dist,
      state_dir: Hotpush.Test.Run.dir("state")
    }

    assert [3_600_000] = hung(Survey.ask(visit(), [target], 300))
    Device.thaw(frozen)
    assert [%{device: %{otp: otp}}] = Survey.ask(visit(), [target], 30_000)
    assert is_binary(otp)
  end
end
