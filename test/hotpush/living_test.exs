defmodule Hotpush.LivingTest do
  @moduledoc "Processes that need a module although none runs its code. Real nodes in their own processes."
  use ExUnit.Case, async: false

  alias Hotpush.Error
  alias Hotpush.Test.{Device, Until, Workbench}

  @source """
  defmodule Garden.Server do
    use GenServer
    def start_link(_), do: GenServer.start_link(__MODULE__, 0)
    def init(n), do: {:ok, n}
  end

  defmodule Garden.Keeper do
    use Agent
    def start_link(_), do: Agent.start_link(fn -> 0 end, name: __MODULE__)
  end

  defmodule Garden.Starter do
    def start, do: Agent.start_link(&Map.new/0, name: :started)
  end

  defmodule Garden.Lazy do
    def start_link(_), do: :ignore
    def child_spec(arg), do: %{id: :lazy, start: {__MODULE__, :start_link, [arg]}}
  end

  defmodule Garden.Branch do
    use Supervisor
    def start_link(_), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)
    def init(_), do: Supervisor.init([], strategy: :one_for_one)
  end

  defmodule Garden.Loop do
    def run, do: receive(do: (:stop -> :ok))
  end

  defmodule Garden.Called do
    def run do
      receive(do: (:stop -> :ok))
      :stopped
    end
  end

  defmodule Garden.Ears do
    @behaviour :gen_event
    def init(_), do: {:ok, 0}
    def handle_event(_, n), do: {:ok, n}
    def handle_call(_, n), do: {:ok, n, n}
  end

  defmodule Garden.Log do
    def log(_event, _config), do: :ok
  end

  defmodule Garden.Plain do
    def hi, do: 1
  end
  """

  @statem """
  -module(garden_door).
  -export([start_link/0, init/1, callback_mode/0, handle_event/4, child/0]).
  start_link() -> gen_statem:start_link({local, ?MODULE}, ?MODULE, [], []).
  init(_) -> {ok, shut, 0}.
  callback_mode() -> handle_event_function.
  handle_event(_, _, _, _) -> keep_state_and_data.
  child() -> \#{id => door, start => {?MODULE, start_link, []}}.
  """

  @modules ~w(Server Keeper Starter Lazy Branch Loop Called Ears Log)

  setup do
    bench = Workbench.new(:garden, @source)
    Workbench.write_erlang(bench, @statem)
    device = Workbench.device(bench, mode: :embedded)

    # A separate process owns them, since the one that evaluates this ends.
    Device.spawn(device, """
    {:ok, _} = Supervisor.start_link(
      [Garden.Keeper, Garden.Branch, Garden.Lazy, :garden_door.child(),
       %{id: :starter, start: {Garden.Starter, :start, []}}],
      strategy: :one_for_one, name: :top)
    {:ok, many} = DynamicSupervisor.start_link(strategy: :one_for_one, name: :many)
    {:ok, _} = DynamicSupervisor.start_child(many, Garden.Server)
    {:ok, ears} = :gen_event.start_link({:local, :ears})
    :ok = :gen_event.add_handler(ears, Garden.Ears, [])
    :ok = :logger.add_handler(:garden, Garden.Log, %{})
    spawn(Garden.Loop, :run, [])
    spawn(fn -> Garden.Called.run() end)
    Process.register(self(), :owner)
    Process.sleep(:infinity)
    """)

    Until.until("the tree", fn -> Device.call(device, Process, :whereis, [:owner]) end)
    %{bench: bench, device: device}
  end

  defp remove(bench, modules), do: Enum.each(modules, &Workbench.remove(bench, &1))

  defp lived_by(outcome) do
    assert [%Error{reason: {:lived_by, living}} = refusal] = outcome.refusals
    assert %{status: :refused, loaded: [], deleted: []} = outcome
    {Enum.sort(for {_pid, who, module, under} <- living, do: {module, who, under}), refusal}
  end

  test "servers, children, handlers and loops that need a module are named; other modules are removed",
       context do
    %{bench: bench, device: device} = context
    removed = [Garden.Plain, :garden_door | Enum.map(@modules, &Module.concat(Garden, &1))]
    remove(bench, removed)

    for options <- [[dry_run?: true], []] do
      {living, refusal} = lived_by(Workbench.push(bench, device, options))

      assert living == [
               {"Elixir.Garden.Branch", "'Elixir.Garden.Branch'", "top"},
               {"Elixir.Garden.Called", "erlang:apply/2", ""},
               {"Elixir.Garden.Ears", "handler 'Elixir.Garden.Ears' of ears", ""},
               {"Elixir.Garden.Keeper", "'Elixir.Garden.Keeper'", "top"},
               {"Elixir.Garden.Lazy", "child lazy", "top"},
               {"Elixir.Garden.Log", "logger handler garden", ""},
               {"Elixir.Garden.Loop", "'Elixir.Garden.Loop':run/0", ""},
               {"Elixir.Garden.Server", "'Elixir.Garden.Server':init/1", "many"},
               {"Elixir.Garden.Starter", "started", "top"},
               {"garden_door", "garden_door", "top"}
             ]

      assert Error.message(refusal) =~ ~r/<[\d.]+> garden_door under top \(garden_door\)/
    end

    # The same round trip says which functions are lost.
    forced = Workbench.push(bench, device, force?: true)
    assert %{status: :done, refusals: [], round_trips: 2} = forced
    assert {:orphaned, [_ | _]} = List.keyfind(forced.notices, :orphaned, 0)
    assert Device.agents(device) == []
    assert length(forced.deleted) == length(removed)
    assert %{status: :done, deleted: []} = Workbench.push(bench, device)
  end

  test "a supervisor that does not answer delays nothing", context do
    %{bench: bench, device: device} = context
    :ok = Device.call(device, :sys, :suspend, [:top])
    remove(bench, [Garden.Keeper, Garden.Lazy])
    {living, _} = lived_by(Workbench.push(bench, device))
    assert living == [{"Elixir.Garden.Keeper", "'Elixir.Garden.Keeper'", ""}]
    :ok = Device.call(device, :sys, :resume, [:top])
    {living, _} = lived_by(Workbench.push(bench, device))
    assert {"Elixir.Garden.Lazy", "child lazy", "top"} in living
  end

  test "a new version without a function that will be called is loaded, with a notice", context do
    %{bench: bench, device: device} = context
    Workbench.write(bench, String.replace(@source, "use Agent\n", "def more, do: 1\n"))
    # One more question finds out that nobody calls the lost functions.
    assert %{status: :done, notices: [], round_trips: 3} = Workbench.push(bench, device)

    # No function is lost, so no question is needed.
    Workbench.write(
      bench,
      String.replace(@source, "use Agent\n", "use Agent; def more, do: 2\n")
    )

    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: ["Elixir.Garden.Keeper"], round_trips: 2} = outcome
    refute List.keymember?(outcome.notices, :orphaned, 0)

    Workbench.write(
      bench,
      @source
      |> String.replace("use GenServer\n  def start_link(_)", "def begin(_)")
      |> String.replace("def start_link(_), do: Agent", "def begin(_), do: Agent")
    )

    outcome = Workbench.push(bench, device)
    assert %{status: :done, refusals: [], round_trips: 3} = outcome
    assert Device.agents(device) == []
    assert [orphaned] = for({:orphaned, orphaned} <- outcome.notices, do: orphaned)

    assert Enum.sort(
             for {_, who, _, under, functions} <- orphaned, do: {who, under, Enum.sort(functions)}
           ) ==
             [
               {"'Elixir.Garden.Keeper'", "top", ["start_link/1"]},
               {"'Elixir.Garden.Server':init/1", "many",
                ~w(handle_call/3 handle_cast/2 handle_info/2 start_link/1)}
             ]

    assert %{status: :done, loaded: [], notices: []} = Workbench.push(bench, device)
  end
end
