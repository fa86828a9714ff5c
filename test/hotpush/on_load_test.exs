defmodule Hotpush.OnLoadTest do
  @moduledoc "Modules with on_load, and those with native code. Real nodes."
  use ExUnit.Case, async: false

  alias Hotpush.{Error, Report}
  alias Hotpush.Protocol.Question
  alias Hotpush.Protocol.Agents
  alias Hotpush.Test.{Device, Run, Until, Workbench}

  @source "defmodule Desk.Plain do\n  def v, do: :one\nend\n"

  @starter """
  -module(desk_starter).
  -export([v/0]).
  -on_load(start/0).
  start() -> RESULT.
  v() -> VERSION.
  """

  setup do
    %{bench: Workbench.new(:desk, @source)}
  end

  defp starter(bench, result, version) do
    source =
      String.replace(
        @starter,
        ["RESULT", "VERSION"],
        &%{"RESULT" => result, "VERSION" => version}[&1]
      )

    Workbench.write_erlang(bench, source)
  end

  test "a module with on_load is loaded by itself, before the others", %{bench: bench} do
    starter(bench, "ok", "1")
    device = Workbench.device(bench, mode: :embedded)
    starter(bench, "persistent_term:put(started, again)", "2")
    Workbench.write(bench, String.replace(@source, ":one", ":two"))
    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: ["Elixir.Desk.Plain", "desk_starter"]} = outcome
    assert Device.call(device, :desk_starter, :v, []) == 2
    assert Device.call(device, :persistent_term, :get, [:started]) == :again
    assert Workbench.push(bench, device).round_trips == 1
  end

  test "if one fails, nothing else changes on the device", %{bench: bench} do
    starter(bench, "ok", "1")
    device = Workbench.device(bench, mode: :embedded)
    starter(bench, "{error, no_hardware}", "2")
    Workbench.write(bench, String.replace(@source, ":one", ":two"))
    outcome = Workbench.push(bench, device)
    assert %{status: :failed, loaded: [], added: []} = outcome
    messages = Enum.map_join(outcome.failures, "\n", &Error.message/1)
    assert messages =~ "desk_starter was not loaded: its on_load function failed"
    assert messages =~ "Elixir.Desk.Plain was not loaded: the whole batch"
    # The old code keeps running.
    assert Device.call(device, :desk_starter, :v, []) == 1
    assert Device.call(device, Desk.Plain, :v, []) == :one
    # At the next push, both still differ.
    assert length(Workbench.push(bench, device, dry_run?: true).plan.load) == 2
  end

  test "it is refused, and nothing changes, if the module that loads it did not travel",
       context do
    starter(context.bench, "ok", "1")
    device = Workbench.device(context.bench, mode: :embedded)
    starter(context.bench, "ok", "2")
    beam = File.read!(Workbench.file(context.bench, :desk_starter))
    core = Agents.run(%{steps: []})
    work = %{steps: [load: [{"desk_starter", :desk, beam}]], purge: :soft, force: false}
    work = Map.put(work, :patience, 5_000)
    {module, function, arguments} = Question.transact(core, :run, work, "ada@host")

    assert Device.call(device, module, function, arguments) ==
             {:refused, {:not_loadable, [{"desk_starter", :on_load_not_allowed}]}}

    assert Device.call(device, :desk_starter, :v, []) == 1
    assert Device.agents(device) == []
  end

  describe "one that does not return" do
    test "is ended: the old code stays, and the next push can begin", %{bench: bench} do
      starter(bench, "ok", "1")
      device = Workbench.device(bench, mode: :embedded)
      starter(bench, "receive never -> ok end", "2")
      Workbench.write(bench, String.replace(@source, ":one", ":two"))
      outcome = Workbench.push(bench, device, timeout: 4_000)
      assert %{status: :failed, loaded: [], added: []} = outcome

      assert messages(outcome) =~
               ~r/desk_starter was not loaded: its on_load function did not return within \d{4} ms/

      assert Device.call(device, :desk_starter, :v, []) == 1
      assert Device.call(device, Desk.Plain, :v, []) == :one
      left_alone(device)

      starter(bench, "ok", "3")
      assert Workbench.push(bench, device).status == :done
      assert Device.call(device, :desk_starter, :v, []) == 3
      assert Workbench.push(bench, device).round_trips == 1
    end

    test "is ended in a new module, too, in a push that came in chunks", %{bench: bench} do
      device = Workbench.device(bench, mode: :embedded)
      noise = Base.encode64(for n <- 1..20_000, into: "", do: :erlang.md5("#{n}"))
      starter(bench, "timer:sleep(infinity)", ~s("#{noise}"))
      outcome = Workbench.push(bench, device, timeout: 5_000)
      assert %{status: :failed, added: [], round_trips: 3} = outcome
      assert messages(outcome) =~ "desk_starter was not loaded: its on_load function did not ret"
      refute Device.call(device, :erlang, :module_loaded, [:desk_starter])
      left_alone(device)
    end
  end

  # No agent, no lock, and no process in an on_load function is left.
  defp left_alone(device) do
    Until.until("the agent to be gone", fn ->
      Device.call(device, :erlang, :whereis, [:hotpush_transaction]) == :undefined and
        Device.agents(device) == []
    end)

    server = Device.call(device, :erlang, :whereis, [:code_server])
    assert Device.call(device, :erlang, :process_info, [server, :monitors]) == {:monitors, []}
  end

  defp messages(outcome), do: Enum.map_join(outcome.failures, "\n", &Error.message/1)

  describe "several, of which one fails" do
    # Processes run a loop of Desk.Plain, and other processes hold its funs.
    @looping """
    defmodule Desk.Plain do
      def v, do: :one
      def start(name), do: spawn(fn -> Process.register(self(), name); loop() end)
      def loop do
        receive do
          :stop -> :ok
        end
        loop()
      end
      def make, do: fn -> :one end
    end
    """

    @several """
    -module(NAME).
    -export([v/0, loop/0, make/0]).
    -on_load(start/0).
    start() -> RESULT.
    v() -> VERSION.
    make() -> fun() -> VERSION end.
    loop() -> receive stop -> ok end, loop().
    """

    defp several(bench, name, result, version) do
      words = %{"NAME" => name, "RESULT" => result, "VERSION" => version}
      Workbench.write_erlang(bench, String.replace(@several, Map.keys(words), &words[&1]))
    end

    defp plain(bench, v), do: Workbench.write(bench, String.replace(@looping, ":one", v))
    defp v(device, module), do: Device.call(device, module, :v, [])

    defp spawned(device, module, name) do
      pid = Device.call(device, :erlang, :spawn, [module, :loop, []])
      true = Device.call(device, :erlang, :register, [name, pid])
      pid
    end

    setup %{bench: bench} do
      plain(bench, ":one")
      several(bench, "desk_a", "ok", "1")
      several(bench, "desk_b", "ok", "1")
      %{device: Workbench.device(bench, mode: :embedded)}
    end

    test "the others are put back, new ones are removed, and no process is killed", context do
      %{bench: bench, device: device} = context

      Device.eval(
        device,
        "Agent.start(fn -> {Desk.Plain.make(), :desk_a.make()} end, name: :funs)"
      )

      looper = spawned(device, Desk.Plain, :looper)
      plain(bench, ":two")
      assert Workbench.push(bench, device).status == :done

      plain(bench, ":three")
      several(bench, "desk_a", "ok", "2")
      several(bench, "desk_a_new", "ok", "2")
      several(bench, "desk_b", "{error, no_hardware}", "2")

      outcome = Workbench.push(bench, device, purge: :kill)
      assert %{status: :failed, loaded: [], added: [], notices: notices} = outcome

      # It runs the version that the first push replaced, and no module needed its place, so it lives.
      assert [{:still_running, [{_, "looper", "Elixir.Desk.Plain"}]}] = notices
      assert Device.call(device, Process, :alive?, [looper])
      assert messages(outcome) =~ "desk_b was not loaded: its on_load function failed"

      for name <- ~w(desk_a desk_a_new),
          do: assert(messages(outcome) =~ "#{name} was not loaded: another module failed, so the")

      assert {v(device, :desk_a), v(device, :desk_b), v(device, Desk.Plain)} == {1, 1, :two}
      refute Device.call(device, :erlang, :module_loaded, [:desk_a_new])
      # Funs of modules that were not replaced in the end still work, too.
      funs = "Agent.get(:funs, & &1) |> then(fn {plain, a} -> {plain.(), a.()} end)"
      assert Device.eval(device, funs) == {:one, 1}

      several(bench, "desk_b", "ok", "2")
      outcome = Workbench.push(bench, device, purge: :kill)
      assert %{status: :done} = outcome
      assert [{:killed, [{_, "looper", _}]} | _] = outcome.notices
      refute Device.call(device, Process, :alive?, [looper])
      assert Workbench.push(bench, device).round_trips == 1
    end

    test "a module whose earlier code is in no file keeps the new code, and the report says so",
         context do
      %{bench: bench, device: device} = context
      several(bench, "desk_a", "ok", "2")
      assert Workbench.push(bench, device).loaded == ["desk_a"]

      several(bench, "desk_a", "ok", "3")
      several(bench, "desk_b", "{error, no_hardware}", "3")
      outcome = Workbench.push(bench, device)
      assert %{status: :failed, loaded: ["desk_a"]} = outcome
      assert {:stays, [{"desk_a", :no_file}]} in outcome.notices
      report = Report.new(%Hotpush.Config{}, [outcome], %{compile: 0.0, scan: 0.0})
      lines = Enum.map_join(Report.Lines.of(report), "\n", &elem(&1, 1))

      assert lines =~
               "keeps the new code of desk_a (no file on the device contains the earlier code"

      assert {v(device, :desk_a), v(device, :desk_b)} == {3, 1}
      # The modules that were reported as not loaded still differ.
      dry = Workbench.push(bench, device, dry_run?: true)
      assert Enum.map(dry.plan.load, & &1.module) == ["desk_b"]
    end

    test "a process that runs old code of one of them is killed only after the others succeeded",
         context do
      %{bench: bench, device: device} = context
      looper = spawned(device, :desk_a, :looper)
      several(bench, "desk_a", "ok", "2")
      assert Workbench.push(bench, device).status == :done

      several(bench, "desk_a", "ok", "3")
      several(bench, "desk_b", "{error, no_hardware}", "3")
      outcome = Workbench.push(bench, device, purge: :kill)
      assert %{status: :failed, loaded: []} = outcome
      assert Device.call(device, Process, :alive?, [looper])
      assert {v(device, :desk_a), v(device, :desk_b)} == {2, 1}

      several(bench, "desk_b", "ok", "3")
      outcome = Workbench.push(bench, device, purge: :kill)
      assert %{status: :done, loaded: ["desk_a", "desk_b"]} = outcome
      assert [{:killed, [{_, "looper", "desk_a"}]} | _] = outcome.notices
      assert Workbench.push(bench, device).round_trips == 1
    end
  end

  describe "native code" do
    setup %{bench: bench} do
      dir = Run.dir("nif")
      c = Path.join(dir, "desk_nif.c")
      # Like most libraries, it has no upgrade callback.
      File.write!(c, """
      #include <erl_nif.h>
      static ERL_NIF_TERM v(ErlNifEnv* env, int argc, const ERL_NIF_TERM argv[])
      { return enif_make_int(env, 7); }
      static ErlNifFunc funcs[] = {{"native", 0, v}};
      ERL_NIF_INIT(desk_nif, funcs, NULL, NULL, NULL, NULL)
      """)

      include = Path.join([:code.root_dir(), "usr", "include"])
      so = Path.join(dir, "desk_nif.so")
      {_, 0} = System.cmd("cc", ["-shared", "-fPIC", "-I", include, "-o", so, c])

      source = fn version ->
        """
        -module(desk_nif).
        -export([native/0, v/0]).
        -on_load(load/0).
        load() -> erlang:load_nif("#{Path.rootname(so)}", 0).
        native() -> erlang:nif_error(not_loaded).
        v() -> #{version}.
        """
      end

      Workbench.write_erlang(bench, source.(1))
      device = Workbench.device(bench, mode: :embedded)
      assert Device.call(device, :desk_nif, :native, []) == 7
      Workbench.write_erlang(bench, source.(2))
      Workbench.write(bench, String.replace(@source, ":one", ":two"))
      %{device: device}
    end

    test "that is loaded needs new firmware, and nothing changes", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device)
      assert %{status: :refused, loaded: []} = outcome
      assert [%Error{reason: {:nif_loaded, ["desk_nif"]}} = refusal] = outcome.refusals
      assert Error.message(refusal) =~ "firmware needed"
      assert Device.call(device, Desk.Plain, :v, []) == :one
      assert Workbench.push(bench, device, dry_run?: true).refusals == outcome.refusals
    end

    test "--force tries, and shows the library's error", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device, force?: true)
      assert %{status: :failed, loaded: []} = outcome
      assert Enum.map_join(outcome.failures, &Error.message/1) =~ "desk_nif was not loaded"
      assert Device.call(device, :desk_nif, :native, []) == 7
      assert Device.call(device, :desk_nif, :v, []) == 1
    end

    test "the other modules can be pushed by name", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device, modules: ["Desk.Plain"])
      assert %{status: :done, loaded: ["Elixir.Desk.Plain"]} = outcome
    end

    test "--all leaves it out if it does not differ", %{bench: bench} do
      device = Workbench.device(bench, mode: :embedded)
      outcome = Workbench.push(bench, device, all?: true)
      assert %{status: :done, loaded: ["Elixir.Desk.Plain"]} = outcome
      assert {:nif_skipped, ["desk_nif"]} in outcome.notices
    end
  end
end
