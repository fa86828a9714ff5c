defmodule Hotpush.Project.Builder do
  @moduledoc """
  Compiles the project and scans it, while its caller does other things. In a VM, only one build runs
  at a time: Mix compiles nothing for a second caller while the first one is still compiling.
  """

  use GenServer

  alias Hotpush.{Config, Error, Project, Scanner, Turn}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.{Inventory, LastBuild, Platform, Workspace}
  alias Hotpush.Push.{Isolation, Stopwatch}

  # Devices of one fleet have few different plans.
  @shared 4

  @typedoc "When the project was compiled, and how long that took, in ms of `Hotpush.Push.Stopwatch`."
  @type built :: %{at: float(), compile: float()}

  @doc "Compiles the project in the caller's process, in its turn: see `Hotpush.Project.Workspace`."
  @spec compile(Config.t()) :: :ok | {:error, Error.t()}
  def compile(config), do: Turn.take(:build, fn -> Workspace.compile(config) end)

  @doc """
  Starts to build. `scope` is the names of the modules to push, in place of those that the config
  chooses, or `nil`. Ends with the caller at the latest, see `stop/1`.
  """
  @spec start(Config.t(), module(), [String.t()] | nil) :: pid()
  def start(%Config{} = config, scanner, scope), do: start_link(scanner, {:build, config, scope})

  @doc "Starts to scan all modules of the project as it was compiled last. See `start/3`."
  @spec scan(Project.t(), module()) :: pid()
  def scan(%Project{} = project, scanner), do: start_link(scanner, {:scan, project})

  defp start_link(scanner, work) do
    {:ok, builder} = GenServer.start_link(__MODULE__, {scanner, work})
    builder
  end

  @doc """
  Waits until the project is compiled. Returns an error if it does not compile, or lacks an application
  that the config names. Raises what a compiler of the project has raised.
  """
  @spec project(pid()) :: {:ok, Project.t(), built()} | {:error, Error.t()}
  def project(builder) do
    with {:raised, kind, reason, stack} <- GenServer.call(builder, :project, :infinity),
         do: :erlang.raise(kind, reason, stack)
  end

  @doc """
  Waits until the project is scanned, for at most `timeout` ms. Returns an error if no module matches
  what the config selects, or if the scan takes longer.
  """
  @spec inventory(pid(), timeout()) ::
          {:ok, Inventory.t(), ModuleFilter.t()} | {:error, Error.t()}
  def inventory(builder, timeout \\ :infinity) do
    GenServer.call(builder, :inventory, timeout)
  catch
    :exit, {:timeout, _} -> {:error, Error.new(:discover, "the build", :slow_scan)}
  end

  @doc """
  Packs modules for a device, as `c:Hotpush.Scanner.Behaviour.pack/2` does. A module that several devices
  need is packed once.
  """
  @spec pack(pid(), [{Path.t(), String.t()}]) ::
          {:ok, [{:ok, Scanner.packed()} | {:error, Scanner.problem()}]} | {:error, Error.t()}
  def pack(builder, files), do: GenServer.call(builder, {:pack, files}, :infinity)

  @doc """
  Returns what `make` returns. What several devices need under the same key is made once, if they need
  it soon after each other.
  """
  @spec shared(pid(), term(), (() -> result)) :: result when result: term()
  def shared(builder, key, make) do
    case GenServer.call(builder, {:shared, key, make}, :infinity) do
      {:ok, made} -> made
      # It raises here, in the process that it concerns.
      {:error, _error} -> make.()
    end
  end

  @doc "Ends it, whatever it does."
  @spec stop(pid()) :: :ok
  def stop(builder), do: Isolation.quit(builder)

  @impl true
  def init({scanner, work}) do
    builder = self()
    Isolation.spawn(fn -> Turn.take(:build, fn -> work(builder, scanner, work) end) end)

    # Read while the compiler runs, but in another process: the compiler's process receives all messages.
    Isolation.spawn(fn -> send(builder, {:platform, platform()}) end)
    state = %{project: nil, platform: nil, inventory: nil, scanner: scanner}
    {:ok, Map.merge(state, %{waiting: [], packed: %{}, shared: []})}
  end

  @impl true
  def handle_call({:pack, files}, _from, %{project: {:ok, project, _built}} = state) do
    missing = Enum.reject(files, &Map.has_key?(state.packed, &1))

    case Isolation.caught("the build", fn -> state.scanner.pack(missing, keep: project.keep) end) do
      {:ok, results} ->
        all = Map.merge(state.packed, Map.new(Enum.zip(missing, results)))
        packed = Map.filter(all, &match?({_file, {:ok, _}}, &1))
        {:reply, {:ok, Enum.map(files, &all[&1])}, %{state | packed: packed}}

      error ->
        {:reply, error, state}
    end
  end

  def handle_call({:shared, key, make}, _from, %{shared: shared} = state) do
    made =
      with nil <- List.keyfind(shared, key, 0),
           {:ok, made} <- Isolation.caught("the build", make),
           do: {key, made}

    case made do
      {^key, value} ->
        newest = Enum.take([made | List.keydelete(shared, key, 0)], @shared)
        {:reply, {:ok, value}, %{state | shared: newest}}

      error ->
        {:reply, error, state}
    end
  end

  def handle_call(key, from, state) do
    case state do
      %{^key => nil} -> {:noreply, %{state | waiting: [{key, from} | state.waiting]}}
      %{^key => answer} -> {:reply, answer, state}
    end
  end

  @impl true
  def handle_info({key, answer}, state) do
    {asked, waiting} = Enum.split_with(state.waiting, &(elem(&1, 0) == key))
    for {_key, from} <- asked, do: GenServer.reply(from, answer)
    {:noreply, %{Map.put(state, key, answer) | waiting: waiting}}
  end

  def handle_info({:DOWN, _monitor, :process, _pid, _reason}, state), do: {:noreply, state}

  defp work(builder, scanner, {:build, config, scope}) do
    project = compiled(builder, config)
    send(builder, {:project, project})

    with {:ok, project, _built} <- project do
      LastBuild.keep(project, LastBuild.path(project.state_dir, Workspace.name(), config))
      send(builder, {:inventory, scanned(project, scanner, &scope(scope, config, &1))})
    end
  end

  defp work(builder, scanner, {:scan, project}),
    do: send(builder, {:inventory, scanned(project, scanner, fn _inventory -> {:ok, :all} end)})

  defp platform, do: Isolation.caught("the build", &Platform.modules/0)

  defp compiled(builder, config) do
    {compiled, ms} = Stopwatch.timed(fn -> Workspace.compile(config) end)

    with :ok <- compiled,
         {:ok, platform} <- GenServer.call(builder, :platform, :infinity),
         {:ok, project} <- Project.load(config, platform),
         do: {:ok, project, %{compile: ms, at: Stopwatch.now()}}
  catch
    kind, reason -> {:raised, kind, reason, __STACKTRACE__}
  end

  defp scanned(project, scanner, scope) do
    scanned =
      Isolation.caught("the build", fn ->
        inventory = Inventory.scan(project, scanner)
        with {:ok, scope} <- scope.(inventory), do: {:ok, inventory, scope}
      end)

    with {:ok, answer} <- scanned, do: answer
  end

  defp scope(nil, config, inventory),
    do: ModuleFilter.resolve(config.modules, config.apps, inventory)

  defp scope(names, _config, _inventory), do: {:ok, names}
end
