defmodule Hotpush.Push do
  @moduledoc "A whole push, from the config to the report."

  alias Hotpush.{Config, Error, Report, Scanner, Turn}
  alias Hotpush.CLI.Progress
  alias Hotpush.Error.Prose.Waiting
  alias Hotpush.Project.{Builder, LastBuild, Workspace}
  alias Hotpush.Push.{Fleet, Stopwatch, Visit}
  alias Hotpush.Transport.Targets

  @doc """
  Compiles the project, asks each device what it runs, and loads what differs (or, with
  `dry_run?`, only says what that is).

  Options: `:scanner`, a module with the behaviour `Hotpush.Scanner.Behaviour`; `:scope`, the names of
  the modules to push instead of those that the config selects; `:since`, the time at which the user
  began to wait (`Hotpush.Push.Stopwatch.now/0`).

  Returns errors of usage and of the compiler; what goes wrong on a device is in the report.
  """
  @spec run(Config.t(), keyword()) :: {:ok, Report.t()} | {:error, Error.t()}
  def run(%Config{} = config, options \\ []) do
    scanner = Keyword.get_lazy(options, :scanner, &Scanner.default/0)
    begun = Stopwatch.now()
    since = Keyword.get(options, :since, begun)
    {state_dir, last_build} = Turn.take(:build, fn -> last_build(config) end)
    targets = Targets.list(config, state_dir)
    progress = Progress.start(config)
    Targets.start_soon(targets)
    builder = Builder.start(config, scanner, options[:scope])

    # The devices are reached, and asked, while the project is compiled.
    fleet = start_fleet(config, targets, scanner, builder, progress, last_build)

    try do
      with {:ok, _project, built} <- Builder.project(builder),
           Progress.show(progress),
           :ok <- check_scope(config, builder) do
        results = Fleet.results(fleet)
        ms = %{start: begun - since, compile: built.compile, total: Stopwatch.now() - since}
        {:ok, Report.new(config, results, ms)}
      end
    after
      Fleet.stop(fleet)
      Builder.stop(builder)
      Targets.give_up()
      Progress.stop(progress)
    end
  end

  defp last_build(config) do
    state_dir = Workspace.state_dir()
    {state_dir, LastBuild.read(LastBuild.path(state_dir, Workspace.name(), config), state_dir)}
  end

  defp start_fleet(config, targets, scanner, builder, progress, last_build) do
    visit = %Visit{
      config: config,
      scanner: scanner,
      build: fn -> built(builder) end,
      last_build: last_build,
      inventory: fn -> Builder.inventory(builder) end,
      pack: &Builder.pack(builder, &1),
      shared: &Builder.shared(builder, &1, &2),
      progress: &step(config, progress, &1)
    }

    Fleet.start(visit, targets)
  end

  defp built(builder) do
    with {:ok, project, built} <- Builder.project(builder), do: {:ok, project, built.at}
  end

  # On a line of its own, also in a pipe: otherwise waiting would look like hanging.
  defp step(%Config{verbosity: :quiet}, _progress, {:waiting, _, _}), do: :ok

  defp step(config, progress, {:waiting, name, error}) do
    where = if config.json == "-", do: :stderr, else: :stdio
    Progress.line(progress, where, Waiting.line(name, error, config.wait))
  end

  defp step(_config, progress, step), do: Progress.step(progress, step)

  # A misspelled module is reported before anything changes; else nothing waits for the scan.
  defp check_scope(%Config{modules: []}, _builder), do: :ok

  defp check_scope(_config, builder) do
    with {:ok, _inventory, _scope} <- Builder.inventory(builder), do: :ok
  end
end
