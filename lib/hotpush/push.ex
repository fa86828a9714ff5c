defmodule Hotpush.Push do
  @moduledoc "The whole way of a push, from what was asked to what came of it."

  alias Hotpush.{Config, Error, Project, Report, Scanner}
  alias Hotpush.CLI.Progress
  alias Hotpush.Project.Inventory
  alias Hotpush.Push.{Fleet, Isolation}
  alias Hotpush.Config.Target
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Workspace
  alias Hotpush.Push.{Stopwatch, Visit}

  alias Hotpush.Error.Prose.Waiting

  import Hotpush.Push.Stopwatch, only: [timed: 1]

  @doc """
  Compiles the project, asks each device what it runs, and loads what differs (or, with
  `dry_run?`, only says what that is).

  Options: `:scanner`, one of the modules behind `Hotpush.Scanner`; `:scope`, the names of the
  modules to push in place of those that the config chooses; `:since`, when whoever waits for it began
  to (`Hotpush.Push.Stopwatch.now/0`).

  Errors are those of usage and of the compiler; what goes wrong on a device is in the report.
  """
  @spec run(Config.t(), keyword()) :: {:ok, Report.t()} | {:error, Error.t()}
  def run(%Config{} = config, options \\ []) do
    scanner = Keyword.get_lazy(options, :scanner, &Scanner.default/0)
    begun = Stopwatch.now()
    since = Keyword.get(options, :since, begun)

    with {:ok, compile_ms} <- compiled(config),
         {:ok, project} <- Project.load(config) do
      # Goes on while the devices are reached and asked.
      scan = start_scan(config, project, scanner, options[:scope])

      try do
        {checked, scan_ms} = timed(fn -> check_scope(config, scan) end)

        with :ok <- checked do
          outcomes = visit_all(config, project, scanner, scan)
          ms = %{start: begun - since, compile: compile_ms, scan: scan_ms}
          {:ok, Report.new(config, outcomes, Map.put(ms, :total, Stopwatch.now() - since))}
        end
      after
        Isolation.quit(scan)
      end
    end
  end

  defp compiled(config) do
    case timed(fn -> Workspace.compile(config) end) do
      {:ok, ms} -> {:ok, ms}
      {error, _ms} -> error
    end
  end

  defp visit_all(config, project, scanner, scan) do
    progress = Progress.start(config)

    visit = %Visit{
      config: config,
      project: project,
      scanner: scanner,
      inventory: fn -> scanned(scan) end,
      progress: &step(config, progress, &1)
    }

    try do
      Fleet.run(visit, Target.list(config, project.state_dir))
    after
      Progress.stop(progress)
    end
  end

  # A line of its own, also in a pipe: whoever reads it would take waiting for hanging.
  defp step(%Config{verbosity: :quiet}, _progress, {:waiting, _, _}), do: :ok

  defp step(config, progress, {:waiting, name, error}) do
    where = if config.json == "-", do: :stderr, else: :stdio
    Progress.line(progress, where, Waiting.line(name, error, config.wait))
  end

  defp step(_config, progress, step), do: Progress.step(progress, step)

  # An Agent answers when its first message, the scan, is done with.
  defp start_scan(config, project, scanner, scope) do
    {:ok, agent} = Agent.start_link(fn -> nil end)

    Agent.cast(agent, fn nil ->
      with {:ok, result} <-
             Isolation.caught("the build", fn -> scan(config, project, scanner, scope) end),
           do: result
    end)

    agent
  end

  defp scan(config, project, scanner, scope) do
    inventory = Inventory.scan(project, scanner)
    with {:ok, scope} <- scope(scope, config, inventory), do: {:ok, inventory, scope}
  end

  defp scope(nil, config, inventory),
    do: ModuleFilter.resolve(config.modules, config.apps, inventory)

  defp scope(names, _config, _inventory), do: {:ok, names}

  defp scanned(agent), do: Agent.get(agent, & &1, :infinity)

  # A misspelled module is told before any device is visited; else nothing waits for the scan.
  defp check_scope(%Config{modules: []}, _scan), do: :ok

  defp check_scope(_config, scan) do
    case scanned(scan) do
      {:ok, _inventory, _scope} -> :ok
      {:error, error} -> {:error, error}
    end
  end
end
