defmodule Hotpush do
  @moduledoc """
  Makes the code that was just saved run on devices that are already up: `mix upload.hotswap` as
  functions, for `iex -S mix` and for tools.

      iex> {:ok, report} = Hotpush.push(node: "nobody@127.0.0.1", compile: false, timeout: 2_000)
      iex> Hotpush.Report.exit_status(report)
      1

  A VM that is a node already keeps its name, and stays connected with what it was connected with.
  One that is none becomes one for as long as a push takes (none for devices reached by ssh), or
  for good by `connect/1` where that reached one. Any number of processes may push at once.

  ## Options

  `push/1`, `push!/1` and `plan/1` take the options of `mix upload.hotswap` with underscores, a list where an
  option may be repeated: `node:`, `ssh:`, `group:`, `module:`, `app:`, `all:`, `compile:`,
  `timeout:` (ms), `wait:` (`true` or seconds), `purge:`, `force:`, `docs:`, `cookie:`. The environment, `hotpush.toml` and the
  config count as they do for the command. `--discover` and `--json` are the command's alone.
  """

  alias Hotpush.{Config, Error, Plan, Push, Report}
  alias Hotpush.Config.Options
  alias Hotpush.Push.{Connect, Disconnect}
  alias Hotpush.Report.Result
  alias Hotpush.Report.Lines
  alias Hotpush.Text
  alias Hotpush.CLI.Terminal
  alias Hotpush.Project.Snapshot
  alias Hotpush.Report.Counts

  @type failure :: {:error, Error.t()}

  @colors %{good: :green, info: [], error: :red}

  @doc """
  Compiles the project, asks each device what it runs, and loads what differs.

  Takes options (see above) or a `Hotpush.Config`. What goes wrong on a device is in the report;
  an error is one of usage, or of a project that does not compile, and its message a sentence.

      iex> {:error, error} = Hotpush.push(purge: "hard")
      iex> Exception.message(error)
      "--purge takes soft or kill, got hard."
  """
  @spec push(keyword() | Config.t()) :: {:ok, Report.t()} | failure()
  def push(options \\ [])
  def push(%Config{} = config), do: Push.run(config)
  def push(options), do: with({:ok, config} <- named(options), do: Push.run(config))

  @doc """
  As `push/1`, for IEx: prints what `mix upload.hotswap` would, and answers `:ok`, or `:error` where
  a device does not run the code.

  Raises `Hotpush.Error` for a mistake in the options or the configuration, and where the project
  does not compile.

      Hotpush.push!(node: "example@nerves.local")
  """
  @spec push!(keyword() | Config.t()) :: :ok | :error
  def push!(options \\ [])

  def push!(%Config{} = config) do
    report = value!(push(config))

    for {level, line} <- Lines.of(report),
        do: IO.puts(IO.ANSI.format([@colors[level], line], Terminal.color?()))

    if Report.exit_status(report) == 0, do: :ok, else: :error
  end

  def push!(options), do: push!(%{value!(named(options)) | verbosity: Config.verbosity(options)})

  @doc """
  What `mix upload.hotswap` would print of a report.

      iex> {:ok, report} = Hotpush.push(node: "nobody@127.0.0.1", compile: false)
      iex> [line] = Hotpush.lines(report)
      iex> line =~ "failed: nobody@127.0.0.1"
      true
  """
  @spec lines(Report.t()) :: [String.t()]
  def lines(%Report{} = report) do
    for {_level, line} <- Lines.of(%{report | verbosity: :normal}), do: line <> "\n"
  end

  @doc """
  What `push/1` would do: a plan for each device that answered, and the errors of those that did
  not. Changes nothing on any device.

      iex> {:ok, plans, [error]} = Hotpush.plan(node: "nobody@127.0.0.1", compile: false)
      iex> {plans, error.stage}
      {[], :connect}
  """
  @spec plan(keyword()) :: {:ok, [Plan.t()], [Error.t()]} | failure()
  def plan(options \\ []) do
    with {:ok, config} <- named(options),
         {:ok, report} <- Push.run(%{config | dry_run?: true}) do
      {planned, failed} = Enum.split_with(report.outcomes, & &1.plan)
      {:ok, Enum.map(planned, & &1.plan), Enum.flat_map(failed, & &1.failures)}
    end
  end

  defp named(options) do
    with {:ok, config} <- Options.config(options) do
      if config.routes == [],
        do: {:error, Error.new(:usage, nil, :no_nodes)},
        else: {:ok, config}
    end
  end

  @doc """
  Connects with every device that runs, of those that `hotpush.toml` and the config name (or, if
  they name none, that are attached by adb), and answers their nodes. For adb it sets up the
  tunnels; doing it again changes nothing. Why a device could not be reached is logged as a
  warning. Devices that are reached by ssh are no nodes: push to them by `push/1` or `push_all_to_device/2`.

  Options: `:cookie`; `:device`, only the one with this nickname, node name, host name, adb serial
  number or unique prefix of one; `:node` and `:group`, as for the command; `:timeout` (ms).

  Raises `Hotpush.Error` for a mistake in the options or the configuration.

      iex> Hotpush.connect(node: "nobody@127.0.0.1", timeout: 2_000)
      []
  """
  @spec connect(keyword()) :: [node()]
  def connect(options \\ []), do: options |> Connect.run() |> value!()

  @doc """
  The other way round: leaves the nodes that `connect/1` with the same options would connect with,
  and answers those that were left. The tunnels to devices behind adb are taken down, whichever VM or
  command has set them up; other programs' tunnels stay. Why a device could not be asked is logged as
  a warning. In a shell: `mix hotpush.disconnect`.

  Raises `Hotpush.Error` for a mistake in the options or the configuration.

      iex> Hotpush.disconnect(device: "nobody@127.0.0.1")
      []
  """
  @spec disconnect(keyword()) :: [node()]
  def disconnect(options \\ []) do
    left = options |> Disconnect.run() |> value!()

    for %{error: %Error{} = error} <- left,
        do: :logger.warning("~ts", [Text.printable(Error.message(error))])

    left |> Enum.flat_map(& &1.nodes) |> Enum.uniq()
  end

  @doc """
  Pushes what differs to nodes, of all modules that are compiled. Answers how many modules were
  pushed, and what failed: `{module, node, error}`, where `module` is `nil` if it is about the
  device as a whole.

  It does not compile. Options are those of `push/1`; `all: true` pushes also what does not differ.

      iex> {0, [{nil, :"nobody@127.0.0.1", error}]} = Hotpush.push_all([:"nobody@127.0.0.1"])
      iex> error.stage
      :connect
  """
  @spec push_all([node()], keyword()) :: Counts.t()
  def push_all(nodes, options \\ []), do: nodes |> to(options) |> tally([])

  @doc """
  As `push_all/2` for one device, however it is reached: by nickname, node name, host name, adb
  serial number or a unique prefix of one. An error where no device that runs goes by it.

      iex> {:error, error} = Hotpush.push_all_to_device("nobody@127.0.0.1")
      iex> error.stage
      :connect
  """
  @spec push_all_to_device(String.t() | atom(), keyword()) :: Counts.t() | failure()
  def push_all_to_device(id, options \\ []) when id not in [nil, ""] do
    with {:ok, config} <- Options.config(Keyword.put_new(options, :compile, false)),
         {:ok, routes} <- Connect.routes(config, id),
         {:ok, report} <- Push.run(%{config | routes: routes}) do
      case report.outcomes do
        [%Result{connected?: false, failures: [error | _]}] -> {:error, error}
        _ -> Counts.of(report)
      end
    end
  end

  @doc """
  Pushes the modules that are new or other than in a snapshot (see `snapshot_beams/0`), where
  nodes do not run them yet. Answers as `push_all/2` does. Removes nothing, and does not compile.

      iex> Hotpush.push_changed([:"nobody@127.0.0.1"], Hotpush.snapshot_beams())
      {0, []}
  """
  @spec push_changed([node()], Snapshot.t(), keyword()) :: Counts.t()
  def push_changed(nodes, snapshot, options \\ []) when is_map(snapshot) do
    case value!(Snapshot.changed(snapshot)) do
      [] -> {0, []}
      changed -> nodes |> to(options) |> tally(scope: MapSet.new(changed))
    end
  end

  @doc """
  The identity of each beam of the project's runtime applications, by path, as they stand on disk.
  It is one of content, not of time.

      iex> snapshot = Hotpush.snapshot_beams()
      iex> snapshot == Hotpush.snapshot_beams()
      true
  """
  @spec snapshot_beams() :: Snapshot.t()
  def snapshot_beams, do: value!(Snapshot.take())

  @doc """
  The folders with the beams that a push takes: those of the project's runtime applications, and
  before them that of its consolidated protocols.

      iex> Enum.all?(Hotpush.runtime_beam_dirs(), &File.dir?/1)
      true
  """
  @spec runtime_beam_dirs() :: [Path.t()]
  def runtime_beam_dirs, do: value!(Snapshot.dirs())

  defp to([], _options), do: :nobody

  defp to(nodes, options) do
    options = Keyword.merge([compile: false], options)
    value!(Options.config(options ++ [node: nodes]))
  end

  defp tally(:nobody, _), do: {0, []}
  defp tally(config, options), do: config |> Push.run(options) |> value!() |> Counts.of()

  # These have no place for an error in what they answer.
  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)
end
