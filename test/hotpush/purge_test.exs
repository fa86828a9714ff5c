defmodule Hotpush.PurgeTest do
  @moduledoc "No process is killed silently. Real nodes in their own processes."
  use ExUnit.Case, async: false

  alias Hotpush.{Config, Error, Report}
  alias Hotpush.Test.{Device, Until, Workbench}

  # Waits in a local loop: it keeps running the code that it was started with.
  @source """
  defmodule Desk.Loop do
    def start(name), do: spawn(fn -> Process.register(self(), name); loop(:v0) end)
    def loop(version) do
      receive do
        {:ask, from} -> send(from, version)
      end
      loop(version)
    end
    def loop_again, do: loop(:v0)
    def make_fun, do: fn -> :v0 end
  end
  """

  setup do
    bench = Workbench.new(:desk, @source)
    %{bench: bench, device: Workbench.device(bench, mode: :embedded)}
  end

  defp version(bench, number),
    do: Workbench.write(bench, String.replace(@source, ":v0", ":v#{number}"))

  defp start(device, name) do
    pid = Device.call(device, Desk.Loop, :start, [name])
    Until.until("#{name}", fn -> Device.call(device, Process, :whereis, [name]) == pid end)
    pid
  end

  test "soft: a notice at the first push, a refusal at the second; killed only with --purge kill",
       %{bench: bench, device: device} do
    pid = start(device, :looper)
    text = device |> Device.call(:erlang, :pid_to_list, [pid]) |> to_string()

    version(bench, 1)
    first = Workbench.push(bench, device)
    assert %{status: :done, loaded: ["Elixir.Desk.Loop"]} = first
    assert {:still_running, [{text, "looper", "Elixir.Desk.Loop"}]} in first.notices

    version(bench, 2)
    before = Device.call(device, :erlang, :get_module_info, [Desk.Loop, :md5])
    second = Workbench.push(bench, device)
    assert %{status: :refused, loaded: []} = second
    assert [%Error{reason: {:held, [{^text, "looper", _}]}} = refusal] = second.refusals
    assert Error.message(refusal) =~ "#{text} looper (Elixir.Desk.Loop)"
    assert Error.message(refusal) =~ "--purge kill"
    assert Device.call(device, :erlang, :get_module_info, [Desk.Loop, :md5]) == before
    assert Device.call(device, Process, :alive?, [pid])

    # A dry run says the same, and changes nothing.
    dry = Workbench.push(bench, device, dry_run?: true)
    assert %{status: :refused, round_trips: 1} = dry
    assert Enum.map(dry.refusals, & &1.reason) == Enum.map(second.refusals, & &1.reason)

    third = Workbench.push(bench, device, purge: :kill)
    assert %{status: :done, loaded: ["Elixir.Desk.Loop"]} = third
    assert {:killed, [{text, "looper", "Elixir.Desk.Loop"}]} in third.notices
    refute Device.call(device, Process, :alive?, [pid])
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "a process without a name is named by the function that it runs", context do
    %{bench: bench, device: device} = context
    pid = Device.call(device, :erlang, :spawn, [Desk.Loop, :loop, [:v0]])
    text = device |> Device.call(:erlang, :pid_to_list, [pid]) |> to_string()
    other = Device.eval(device, "inspect(spawn(&Desk.Loop.loop_again/0))")
    "#PID" <> other = other
    version(bench, 1)
    %{notices: notices} = Workbench.push(bench, device)
    {:still_running, holders} = List.keyfind(notices, :still_running, 0)
    assert {text, "'Elixir.Desk.Loop':loop/1", "Elixir.Desk.Loop"} in holders
    assert {other, "'Elixir.Desk.Loop':loop/1", "Elixir.Desk.Loop"} in holders
  end

  test "kill spares processes that are not in the way", %{bench: bench, device: device} do
    old = start(device, :old)
    version(bench, 1)
    assert Workbench.push(bench, device).status == :done
    current = start(device, :current)
    version(bench, 2)
    outcome = Workbench.push(bench, device, purge: :kill)

    assert [{:killed, [{_, "old", _}]}, {:still_running, [{_, "current", _}]} | _] =
             outcome.notices

    refute Device.call(device, Process, :alive?, [old])
    assert Device.call(device, Process, :alive?, [current])
  end

  test "old code that no process runs is purged, but only when its slot is needed", context do
    %{bench: bench, device: device} = context
    version(bench, 1)
    assert Workbench.push(bench, device).status == :done
    assert Device.call(device, :erlang, :check_old_code, [Desk.Loop])
    purged = [{:purged, ["Elixir.Desk.Loop"]}]
    version(bench, 2)
    assert %{status: :done, notices: ^purged} = Workbench.push(bench, device)
    version(bench, 3)
    assert %{status: :done, notices: ^purged} = Workbench.push(bench, device)
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "a fun of the replaced version works; one of the version before ends, and is reported",
       %{bench: bench, device: device} do
    Device.eval(device, "Agent.start(fn -> Desk.Loop.make_fun() end, name: :keeper)")
    call = "try do Agent.get(:keeper, & &1).() rescue e in BadFunctionError -> e.__struct__ end"
    version(bench, 1)
    assert %{status: :done, notices: []} = Workbench.push(bench, device)
    assert Device.eval(device, call) == :v0

    # A push that changes nothing purges nothing.
    assert Workbench.push(bench, device).round_trips == 1
    version(bench, 2)
    assert Workbench.push(bench, device, dry_run?: true).status == :planned
    assert Device.eval(device, call) == :v0

    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: ["Elixir.Desk.Loop"]} = outcome
    assert Device.eval(device, call) == BadFunctionError

    assert said(outcome, :verbose) =~
             "dropped the version before last of Elixir.Desk.Loop: an anon"

    refute said(outcome, :normal) =~ "before last"

    report = Report.new(%Config{}, [outcome], %{compile: 0.0, scan: 0.0})
    assert Report.Document.of(report) =~ ~r/"kind":"purged","message":"[^"]+Elixir.Desk.Loop/
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "a refused push purges nothing", %{bench: bench, device: device} do
    other = "defmodule Desk.Other do\n  def make_fun, do: fn -> :v0 end\nend\n"
    both = fn v -> Workbench.write(bench, String.replace(@source <> other, ":v0", v)) end
    both.(":v1")
    assert Workbench.push(bench, device).status == :done
    Device.eval(device, "Agent.start(fn -> Desk.Other.make_fun() end, name: :keeper)")
    start(device, :looper)
    both.(":v2")
    assert Workbench.push(bench, device).status == :done
    both.(":v3")
    assert %{status: :refused} = Workbench.push(bench, device)
    assert Device.eval(device, "Agent.get(:keeper, & &1).()") == :v1
  end

  defp said(outcome, verbosity) do
    report = Report.new(%Config{verbosity: verbosity}, [outcome], %{compile: 0.0, scan: 0.0})
    Enum.map_join(Report.Lines.of(report), "\n", &elem(&1, 1))
  end

  test "removing a module whose old code is in use is refused", context do
    %{bench: bench, device: device} = context
    start(device, :looper)
    version(bench, 1)
    assert Workbench.push(bench, device).status == :done
    Workbench.write(bench, "defmodule Desk.Other do\nend\n")
    Workbench.remove(bench, Desk.Loop)
    outcome = Workbench.push(bench, device)
    assert %{status: :refused, added: [], deleted: []} = outcome
    assert [%Error{reason: {:held, [{_, "looper", _}]}}] = outcome.refusals
    refute Device.call(device, :erlang, :module_loaded, [Desk.Other])
  end

  test "a thousand other processes are not mistaken for users of old code", context do
    %{bench: bench, device: device} = context
    Device.eval(device, "for _ <- 1..1000, do: spawn(fn -> Process.sleep(:infinity) end)")
    start(device, :looper)
    version(bench, 1)
    assert [{:still_running, [{_, "looper", _}]}] = Workbench.push(bench, device).notices
  end

  describe "a stack of a million frames" do
    # Each frame differs from the one before it.
    @deep """
    defmodule Desk.Deep do
      def start(name), do: spawn(fn -> Process.register(self(), name); down(1_000_000, [name]) end)
      def down(0, _), do: Process.sleep(:infinity)
      def down(n, had), do: {:v0, further(n - 1, had), had}
      def further(n, had), do: {:v0, down(n - 1, had), had}
    end
    """

    setup %{bench: bench, device: device} do
      Workbench.write(bench, @source <> @deep)
      assert Workbench.push(bench, device).status == :done
      pid = Device.call(device, Desk.Deep, :start, [:deep])

      Until.until("the stack", fn ->
        {:stack_size, words} = Device.call(device, :erlang, :process_info, [pid, :stack_size])
        words >= 2_000_000
      end)

      %{pid: pid, text: device |> Device.call(:erlang, :pid_to_list, [pid]) |> to_string()}
    end

    defp peak(device) do
      [_, kilobytes] =
        Regex.run(~r/VmHWM:\s+(\d+) kB/, File.read!("/proc/#{device.os_pid}/status"))

      String.to_integer(kilobytes)
    end

    defp deep(bench, loop, deep) do
      source = String.replace(@source, ":v0", loop) <> String.replace(@deep, ":v0", deep)
      Workbench.write(bench, source)
    end

    test "costs nothing if it has no frame of pushed code", context do
      %{bench: bench, device: device, pid: pid} = context
      looper = start(device, :looper)
      before = peak(device)

      deep(bench, ":v1", ":v0")
      assert [{:still_running, [{_, "looper", _}]}] = Workbench.push(bench, device).notices
      deep(bench, ":v2", ":v0")
      assert %{status: :refused} = Workbench.push(bench, device)
      outcome = Workbench.push(bench, device, purge: :kill)
      assert %{status: :done, notices: [{:killed, [{_, "looper", _}]} | _]} = outcome

      refute Device.call(device, Process, :alive?, [looper])
      assert Device.call(device, Process, :alive?, [pid])
      assert peak(device) - before < 50_000
    end

    test "is named, but not printed, if it has a frame of pushed code", context do
      %{bench: bench, device: device, pid: pid, text: text} = context
      held = [{text, "deep", "Elixir.Desk.Deep"}]
      before = peak(device)

      deep(bench, ":v0", ":v1")
      assert {:still_running, held} in Workbench.push(bench, device).notices
      deep(bench, ":v0", ":v2")
      assert [%{reason: {:held, ^held}}] = Workbench.push(bench, device).refusals
      assert {:killed, held} in Workbench.push(bench, device, purge: :kill).notices

      refute Device.call(device, Process, :alive?, [pid])
      assert peak(device) - before < 50_000
      assert Workbench.push(bench, device).round_trips == 1
    end
  end
end
