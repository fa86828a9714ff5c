defmodule Hotpush.FaultTest do
  @moduledoc "A bug in Hotpush ends only the visit to one device, and leaves nothing behind in the caller."
  use ExUnit.Case, async: false

  alias Hotpush.{Config, Error, Report}
  alias Hotpush.Config.Target
  alias Hotpush.Report.Document
  alias Hotpush.Test.{Hotswap, Run, Until, Workbench}

  doctest Hotpush.Error.Fault

  # A transport with a different bug for each device.
  defmodule Faulty do
    @behaviour Hotpush.Transport

    @impl true
    def prepare(%{node: :raises_at_once}), do: miss()
    def prepare(target), do: {:ok, target}
    @impl true
    def finish, do: :ok
    @impl true
    def open(%{node: :raises}, _), do: miss()
    def open(%{node: :exits}, _), do: exit({:sesame_shut, "sesame"})
    def open(%{node: :throws}, _), do: throw("sesame")
    def open(%{node: :killed}, _), do: Process.exit(self(), :kill)

    def open(%{node: :linked}, _) do
      spawn_link(fn -> exit({:boom, "sesame"}) end)
      Process.sleep(:infinity)
    end

    # The message of this exception shows the map.
    defp miss, do: Map.fetch!(Map.new(word: "sesame"), :no_such_key)

    @impl true
    def call(_, _, _), do: {:error, :connection_lost}
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
    @impl true
    def bytes(_), do: {0, 0}
    @impl true
    def close(_), do: :ok
  end

  @faulty [:raises_at_once, :raises, :exits, :throws, :killed, :linked]

  setup do
    bench = Workbench.new(:desk, "defmodule Desk.Plain do\n  def v, do: :one\nend\n")
    %{bench: bench, device: Workbench.device(bench)}
  end

  defp targets(device, bench) do
    good = %Target{
      name: to_string(device.node),
      transport: Hotpush.Transport.Dist,
      node: device.node,
      way: {:node, device.node},
      cookie: Hotpush.Config.Secret.wrap(device.cookie),
      state_dir: bench.state_dir
    }

    bad = for kind <- @faulty, do: %{good | transport: Faulty, node: kind, name: to_string(kind)}
    bad ++ [good]
  end

  for traps? <- [false, true] do
    test "affects only that device (the caller traps exits: #{traps?})", context do
      Process.flag(:trap_exit, unquote(traps?))
      outcomes = Workbench.push_targets(context.bench, targets(context.device, context.bench))
      assert Process.info(self(), :messages) == {:messages, []}
      {bad, [good]} = Enum.split(outcomes, length(@faulty))
      assert good.status == :done

      said =
        for {kind, %{status: :failed, failures: [error]}} <- Enum.zip(@faulty, bad) do
          sentence = Error.message(error)
          assert sentence =~ ~r/^#{kind}: this is a bug in Hotpush, not in your project/
          refute sentence =~ "sesame\""
          refute sentence =~ "\n"
          {kind, elem(error.reason, 1)}
        end

      assert said == [
               raises_at_once: "KeyError",
               raises: "KeyError",
               exits: "exit sesame_shut",
               throws: "throw",
               killed: "exit killed",
               linked: "exit boom"
             ]

      assert Error.message(hd(Enum.at(bad, 1).failures)) =~
               "KeyError in Hotpush.FaultTest.Faulty.miss/0."

      report = Report.new(%Config{}, outcomes, %{compile: 0.0, scan: 0.0})
      assert Report.exit_status(report) == 1
      path = Path.join(Run.dir("json"), "report.json")
      File.write!(path, Document.of(report))
      nodes = Hotswap.json(path)["devices"]
      assert Enum.map(nodes, & &1["status"]) == List.duplicate("failed", 6) ++ ["done"]
      assert [%{"kind" => "fault"}] = hd(nodes)["failed"]
    end
  end

  test "in the scan is reported too, and no process of a run stays", context do
    Process.flag(:trap_exit, true)
    {:links, links} = Process.info(self(), :links)

    options = [
      node: context.device.node,
      cookie: to_string(context.device.cookie),
      compile: false,
      timeout: 10_000
    ]

    for _ <- 1..3 do
      assert {:error, %{stage: :usage}} = Hotpush.push([module: NoSuchModuleAnywhere] ++ options)
    end

    {:ok, config} = Hotpush.Config.Options.config(options)
    {:ok, report} = Hotpush.Push.run(config, scanner: NoScanner)
    assert [%{status: :failed, failures: [error]}] = report.outcomes
    assert Error.message(error) =~ "this is a bug in Hotpush"
    {:ok, _} = Hotpush.push(options)
    assert catch_error(Hotpush.Push.run(%{config | targets: [%{}]}))
    Hotpush.connect(options)
    :net_kernel.stop()
    Until.until("the node to go", fn -> not Node.alive?() end)
    Until.until("the links to go", fn -> Process.info(self(), :links) == {:links, links} end)
    assert Process.info(self(), :messages) == {:messages, []}
  end
end
