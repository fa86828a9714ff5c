defmodule Hotpush.LoadingTest do
  @moduledoc "What a device runs after a push, in both modes. Real nodes in their own processes."
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Device, Until, Workbench}

  @source """
  defmodule Desk.Lamp do
    use GenServer
    def start, do: GenServer.start(__MODULE__, 0, name: __MODULE__)
    def init(count), do: {:ok, count}
    def press, do: GenServer.call(__MODULE__, :press)
    def handle_call(:press, _from, count), do: {:reply, {:dim, count + 1}, count + 1}
  end

  defmodule Desk.Drawer do
    def open, do: :first
  end

  defmodule Desk.Old do
    def here, do: true
  end
  """

  for mode <- [:embedded, :interactive] do
    describe "#{mode} mode:" do
      setup do
        bench = Workbench.new(:desk, @source)
        %{bench: bench, device: Workbench.device(bench, mode: unquote(mode))}
      end

      test "nothing differs at first, and asking leaves no trace", %{bench: bench, device: device} do
        before = loaded(device)
        outcome = Workbench.push(bench, device)
        assert %{status: :done, round_trips: 1, checked: 3, unchanged: 3, loaded: []} = outcome
        assert loaded(device) == before
      end

      test "only the changed module is loaded, and a process keeps its state", context do
        %{bench: bench, device: device} = context
        {:ok, lamp} = Device.call(device, Desk.Lamp, :start, [])
        assert Device.call(device, Desk.Lamp, :press, []) == {:dim, 1}

        Workbench.write(bench, String.replace(@source, ":dim", ":bright"))
        outcome = Workbench.push(bench, device)
        assert %{status: :done, loaded: ["Elixir.Desk.Lamp"], added: [], unchanged: 2} = outcome
        assert outcome.round_trips == 2
        assert Device.call(device, Desk.Lamp, :press, []) == {:bright, 2}
        assert Device.call(device, Process, :whereis, [Desk.Lamp]) == lamp
        again(bench, device)
      end

      test "a moved line is pushed, and stack traces show the new one", context do
        %{bench: bench, device: device} = context
        source = String.replace(@source, ":first", "raise(\"stuck\")")
        Workbench.write(bench, source)
        assert Workbench.push(bench, device).loaded == ["Elixir.Desk.Drawer"]
        assert line(device) == 10

        Workbench.write(bench, "# one comment\n" <> source)
        outcome = Workbench.push(bench, device)
        assert "Elixir.Desk.Drawer" in outcome.loaded
        assert Enum.all?(outcome.plan.load, &(&1.reason == :lines))
        assert line(device) == 11
        again(bench, device)
      end

      test "a moved line in firmware that was never pushed to is noticed, and remembered",
           context do
        %{bench: bench, device: device} = context
        Workbench.write(bench, "# one comment\n" <> @source)
        outcome = Workbench.push(bench, device)
        assert length(outcome.loaded) == 3
        assert Enum.all?(outcome.plan.load, &(&1.reason == :lines))
        again(bench, device)
      end

      test "a new module is loaded explicitly, and can be removed again", context do
        %{bench: bench, device: device} = context
        Workbench.write(bench, "defmodule Desk.New do\n  def here, do: 1\nend\n")

        assert %{status: :done, added: ["Elixir.Desk.New"], loaded: []} =
                 Workbench.push(bench, device)

        assert Device.call(device, Desk.New, :here, []) == 1
        # Its path is in the application's own folder on the device.
        path = Device.call(device, :code, :which, [Desk.New])

        assert Path.dirname(path) ==
                 Path.dirname(Device.call(device, :code, :which, [Desk.Drawer]))

        again(bench, device)

        Workbench.remove(bench, Desk.New)
        assert %{status: :done, deleted: ["Elixir.Desk.New"]} = Workbench.push(bench, device)
        assert undefined?(device, Desk.New)
        again(bench, device)
      end

      test "a module that was deleted here is removed there, until it comes back", context do
        %{bench: bench, device: device} = context
        assert Device.call(device, Desk.Old, :here, [])
        Workbench.remove(bench, Desk.Old)
        assert %{status: :done, deleted: ["Elixir.Desk.Old"]} = Workbench.push(bench, device)
        # In interactive mode a call would load the firmware's file again.
        assert undefined?(device, Desk.Old)
        assert undefined?(device, Desk.Old)
        again(bench, device)

        Workbench.write(bench, "defmodule Desk.Old do\n  def here, do: :again\nend\n")
        assert %{status: :done} = Workbench.push(bench, device)
        assert Device.call(device, Desk.Old, :here, []) == :again
        again(bench, device)
      end

      test "after a reboot the firmware runs, and the next push says so", context do
        %{bench: bench, device: device} = context
        Workbench.write(bench, String.replace(@source, ":first", ":second"))
        assert Workbench.push(bench, device).loaded == ["Elixir.Desk.Drawer"]
        device = Device.restart(device)
        assert Device.call(device, Desk.Drawer, :open, []) == :first
        assert Workbench.push(bench, device).loaded == ["Elixir.Desk.Drawer"]
        assert Device.call(device, Desk.Drawer, :open, []) == :second
        again(bench, device)
      end

      test "both scanners push the same", %{bench: bench, device: device} do
        Workbench.write(bench, String.replace(@source, ":first", ":second"))
        portable = Hotpush.Scanner.Portable
        assert Workbench.push(bench, device, scanner: portable).loaded == ["Elixir.Desk.Drawer"]
        again(bench, device)
        assert Workbench.push(bench, device, scanner: portable).round_trips == 1
      end

      test "the visit leaves nothing behind, and always uses the same node name", context do
        %{bench: bench, device: device} = context

        for answer <- [":second", ":last"] do
          Workbench.write(bench, String.replace(@source, ":first", answer))
          assert Workbench.push(bench, device).status == :done
        end

        atoms = Device.call(device, :erlang, :system_info, [:atom_count])

        for answer <- [":third", ":fourth", ":fifth"] do
          Workbench.write(bench, String.replace(@source, ":first", answer))
          assert Workbench.push(bench, device).status == :done
        end

        # Only the three answers are new atoms.
        assert Device.call(device, :erlang, :system_info, [:atom_count]) - atoms <= 3
        assert Device.call(device, :erlang, :whereis, [:hotpush_transaction]) == :undefined

        Until.until("the host to be gone", fn ->
          Device.call(device, :erlang, :nodes, [:connected]) == []
        end)

        assert Device.agents(device) == []
        refute Device.call(device, :erlang, :check_old_code, [:hotpush_agent])
      end

      test "--dry-run plans the same and changes nothing", %{bench: bench, device: device} do
        Workbench.write(bench, String.replace(@source, ":first", ":second"))
        before = loaded(device)
        outcome = Workbench.push(bench, device, dry_run?: true)
        assert %{status: :planned, round_trips: 1, loaded: []} = outcome
        assert Enum.map(outcome.plan.load, & &1.module) == ["Elixir.Desk.Drawer"]
        assert loaded(device) == before
        assert Device.call(device, Desk.Drawer, :open, []) == :first
      end

      test "--all pushes what does not differ", %{bench: bench, device: device} do
        outcome = Workbench.push(bench, device, all?: true)
        assert %{status: :done, unchanged: 0} = outcome
        assert length(outcome.loaded) == 3
        again(bench, device)
      end

      test "--module selects modules, and then nothing is removed", %{
        bench: bench,
        device: device
      } do
        Workbench.write(bench, String.replace(@source, [":first", ":dim"], ":other"))
        Workbench.remove(bench, Desk.Old)
        outcome = Workbench.push(bench, device, modules: ["Desk.Drawer"])
        assert %{status: :done, loaded: ["Elixir.Desk.Drawer"], deleted: [], checked: 1} = outcome
        assert Device.call(device, Desk.Old, :here, [])
        assert Workbench.push(bench, device, modules: ["Desk.Drawer"]).round_trips == 1
      end
    end
  end

  test "an Erlang module is pushed like any other" do
    bench = Workbench.new(:desk, @source)
    Workbench.write_erlang(bench, "-module(desk_erl).\n-export([v/0]).\nv() -> 1.\n")
    device = Workbench.device(bench, mode: :embedded)
    Workbench.write_erlang(bench, "-module(desk_erl).\n-export([v/0]).\nv() -> 2.\n")
    assert %{status: :done, loaded: ["desk_erl"]} = Workbench.push(bench, device)
    assert Device.call(device, :desk_erl, :v, []) == 2
    again(bench, device)
  end

  test "an application's start/2 does not run again, and the push says so" do
    source = fn children ->
      """
      defmodule Desk.Application do
        use Application
        def start(_type, _args), do: Supervisor.start_link(#{children}, strategy: :one_for_one, name: Desk.Top)
      end
      """
    end

    bench = Workbench.new(:desk, source.("[]"))
    device = Workbench.device(bench, mode: :embedded)
    Workbench.write(bench, source.("[{Agent, fn -> 0 end}]"))
    outcome = Workbench.push(bench, device)
    assert outcome.notices == [{:start_not_run, ["Elixir.Desk.Application"]}]

    assert Hotpush.Report.Notices.sentence(hd(outcome.notices), outcome) =~
             "Elixir.Desk.Application changed, but #{device.node} does not run start/2 again: "

    children = fn -> Device.call(device, Supervisor, :count_children, [Desk.Top]).active end
    assert children.() == 0
    again(bench, device)
    :ok = Device.call(device, Application, :stop, [:desk])
    :ok = Device.call(device, Application, :start, [:desk])
    assert children.() == 1
  end

  test "a protocol loses nothing if a type's implementation was never in the firmware" do
    # As consolidation writes it, where a dependency with `runtime: false` implements the protocol.
    source = fn answer ->
      """
      defmodule Desk.Proto do
        def __protocol__(:impls), do: {:consolidated, [Desk.Absent]}
        def answer, do: #{answer}
      end
      """
    end

    bench = Workbench.new(:desk, source.(1))
    device = Workbench.device(bench, mode: :embedded)
    Workbench.write(bench, source.(2))
    assert %{status: :done, loaded: ["Elixir.Desk.Proto"]} = Workbench.push(bench, device)
    again(bench, device)
  end

  test "a file that is not a beam is named, and the rest is pushed" do
    bench = Workbench.new(:desk, @source)
    device = Workbench.device(bench, mode: :embedded)
    Workbench.write(bench, String.replace(@source, ":first", ":second"))
    Workbench.put(bench, Desk.Old, "FOR1 but no more")
    outcome = Workbench.push(bench, device)
    assert %{status: :failed, loaded: ["Elixir.Desk.Drawer"], deleted: []} = outcome
    assert [%{stage: :scan, subject: path}] = outcome.failures
    assert Path.basename(path) == "Elixir.Desk.Old.beam"
    # It is broken, not gone.
    assert Device.call(device, Desk.Old, :here, [])
  end

  defp again(bench, device) do
    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: [], added: [], deleted: [], round_trips: 1} = outcome
    assert Hotpush.Plan.empty?(outcome.plan)
  end

  # In interactive mode, OTP's own modules, such as erl_eval, may be loaded on demand.
  defp loaded(device) do
    for {module, _} <- Device.call(device, :code, :all_loaded, []),
        to_string(module) =~ ~r/^(Elixir.Desk|hotpush)/ do
      {module, Device.call(device, :erlang, :get_module_info, [module, :md5])}
    end
    |> Enum.sort()
  end

  defp undefined?(device, module) do
    Device.call(device, module, :here, [])
    false
  rescue
    UndefinedFunctionError -> true
  end

  defp line(device) do
    Device.call(device, Desk.Drawer, :open, [])
  rescue
    error in RuntimeError ->
      assert error.message == "stuck"

      Enum.find_value(__STACKTRACE__, fn
        {Desk.Drawer, :open, 0, location} -> location[:line]
        _ -> nil
      end)
  end
end
