defmodule Hotpush.OnLoadTest do
  @moduledoc "Modules with on_load, and those with native code. Real nodes."
  use ExUnit.Case, async: false

  alias Hotpush.{Error, Test.Device, Test.Run, Test.Workbench}

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

  test "is loaded by itself, before the rest", %{bench: bench} do
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

  test "one that fails stops the device before anything else changed", %{bench: bench} do
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
    # The next run sees the truth: both still differ.
    assert length(Workbench.push(bench, device, dry_run?: true).plan.load) == 2
  end

  describe "native code" do
    setup %{bench: bench} do
      dir = Run.dir("nif")
      c = Path.join(dir, "desk_nif.c")
      # Without an upgrade callback, as most libraries are.
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

    test "that is loaded means firmware, and nothing changes", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device)
      assert %{status: :refused, loaded: []} = outcome
      assert [%Error{reason: {:nif_loaded, ["desk_nif"]}} = refusal] = outcome.refusals
      assert Error.message(refusal) =~ "firmware needed"
      assert Device.call(device, Desk.Plain, :v, []) == :one
      assert Workbench.push(bench, device, dry_run?: true).refusals == outcome.refusals
    end

    test "--force tries, and tells what the library said", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device, force?: true)
      assert %{status: :failed, loaded: []} = outcome
      assert Enum.map_join(outcome.failures, &Error.message/1) =~ "desk_nif was not loaded"
      assert Device.call(device, :desk_nif, :native, []) == 7
      assert Device.call(device, :desk_nif, :v, []) == 1
    end

    test "the rest can be pushed by name", %{bench: bench, device: device} do
      outcome = Workbench.push(bench, device, modules: ["Desk.Plain"])
      assert %{status: :done, loaded: ["Elixir.Desk.Plain"]} = outcome
    end

    test "--all leaves it out where it does not differ", %{bench: bench} do
      device = Workbench.device(bench, mode: :embedded)
      outcome = Workbench.push(bench, device, all?: true)
      assert %{status: :done, loaded: ["Elixir.Desk.Plain"]} = outcome
      assert {:nif_skipped, ["desk_nif"]} in outcome.notices
    end
  end
end
