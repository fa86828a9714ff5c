defmodule Hotpush do
  @moduledoc """
  Makes the code that you just saved run on devices that are already up.

  These are the functions behind `mix upload.hotswap`, for `iex -S mix` and for tools.

      iex> {:ok, report} = Hotpush.push(node: "nobody@127.0.0.1", compile: false, timeout: 2_000)
      iex> Hotpush.Report.exit_status(report)
      1

  If the VM is already a node, it keeps its name and its connections. If it is not a node, it becomes
  one for the duration of a push. A push to devices that are reached by ssh needs no node. After
  `connect/1` has reached a device, the VM remains a node. Any number of processes may push at once.

  ## Options

  `push/1`, `push!/1` and `plan/1` take the options of `mix upload.hotswap`, with underscores:
  `:node`, `:ssh`, `:device`, `:group`, `:module`, `:app`, `:all`, `:compile`, `:timeout` (ms), `:wait` (`true`
  or seconds), `:purge`, `:force`, `:docs`, `:cookie`. If an option may be repeated, it takes a list
  too. The environment, `hotpush.toml` and the config apply as they do for the command. `--discover`
  and `--json` are options of the command only.
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

  Takes options (see above) or a `Hotpush.Config`. The report contains what went wrong on a device.
  An error means that the options or the configuration are wrong, or that the project does not
  compile; its message is a sentence.

      iex> {:error, error} = Hotpush.push(purge: "hard")
      iex> Exception.message(error)
      "--purge takes soft or kill, got hard."
  """
  @spec push(keyword() | Config.t()) :: {:ok, Report.t()} | failure()
  def push(options \\ [])
  def push(%Config{} = config), do: ready(fn -> Push.run(config) end)

  def push(options),
    do: ready(fn -> with({:ok, config} <- named(options), do: Push.run(config)) end)

  @doc """
  Pushes as `push/1` does and prints what `mix upload.hotswap` would print. Use it in IEx.

  Returns `:ok`, or `:error` if a device does not run the code. Raises `Hotpush.Error` if the options
  or the configuration are wrong, or if the project does not compile.

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

  def push!(options),
    do: push!(%{value!(ready(fn -> named(options) end)) | verbosity: Config.verbosity(options)})

  @doc """
  Returns the lines that `mix upload.hotswap` would print for a report.

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
  Returns what `push/1` would do: a plan for each device that answered, and the errors of the devices
  that did not. Changes nothing on any device.

      iex> {:ok, plans, [error]} = Hotpush.plan(node: "nobody@127.0.0.1", compile: false)
      iex> {plans, error.stage}
      {[], :connect}
  """
  @spec plan(keyword()) :: {:ok, [Plan.t()], [Error.t()]} | failure()
  def plan(options \\ []) do
    ready(fn ->
      with {:ok, config} <- named(options),
           {:ok, report} <- Push.run(%{config | dry_run?: true}) do
        {planned, failed} = Enum.split_with(report.outcomes, & &1.plan)
        {:ok, Enum.map(planned, & &1.plan), Enum.flat_map(failed, & &1.failures)}
      end
    end)
  end

  defp named(options) do
    with {:ok, config} <- Options.config(options), do: Config.to_push(config)
  end

  @doc """
  Connects to the devices that `hotpush.toml` and the config name, and returns their nodes.

  If they name no device, it connects to the devices that are attached by adb. It connects to every
  device that is running, and logs a warning that says why a device could not be reached. For devices
  behind adb it sets up the tunnels; calling it again changes nothing. Devices that are reached by
  ssh are not nodes: push to them with `push/1` or `push_all_to_device/2`.

  ## Options

    * `:device` - connect only to the device with this nickname, node name, host name, adb serial
      number, or unique beginning of a serial number; or a list of such names
    * `:node`, `:group`, `:cookie` - as for the command
    * `:timeout` - in milliseconds

  Raises `Hotpush.Error` if the options or the configuration are wrong.

      iex> Hotpush.connect(node: "nobody@127.0.0.1", timeout: 2_000)
      []
  """
  @spec connect(keyword()) :: [node()]
  def connect(options \\ []), do: ready(fn -> value!(Connect.run(options)) end)

  @doc """
  Disconnects from the nodes that `connect/1` with the same options would connect to, and returns the
  nodes that it disconnected from.

  It also takes down the tunnels to devices behind adb, whichever VM or command set them up; tunnels
  of other programs stay. It logs a warning that says why a device could not be asked. In a shell,
  run `mix hotpush.disconnect`.

  Raises `Hotpush.Error` if the options or the configuration are wrong.

      iex> Hotpush.disconnect(device: "nobody@127.0.0.1")
      []
  """
  @spec disconnect(keyword()) :: [node()]
  def disconnect(options \\ []) do
    left = ready(fn -> value!(Disconnect.run(options)) end)

    for %{error: %Error{} = error} <- left,
        do: :logger.warning("~ts", [Text.printable(Error.message(error))])

    left |> Enum.flat_map(& &1.nodes) |> Enum.uniq()
  end

  @doc """
  Pushes to nodes all compiled modules that differ. Does not compile.

  Returns how many modules were pushed, and a list of failures: `{module, node, error}`, where
  `module` is `nil` if the error is about the device as a whole.

  Takes the options of `push/1`. With `all: true`, it also pushes modules that do not differ.

      iex> {0, [{nil, :"nobody@127.0.0.1", error}]} = Hotpush.push_all([:"nobody@127.0.0.1"])
      iex> error.stage
      :connect
  """
  @spec push_all([node()], keyword()) :: Counts.t()
  def push_all(nodes, options \\ []), do: ready(fn -> nodes |> to(options) |> tally([]) end)

  @doc """
  Pushes to one device as `push_all/2` does, whatever way leads to the device.

  `id` is a nickname, a node name, a host name, an adb serial number, or a unique beginning of a
  serial number. Returns an error if no running device has this name.

      iex> {:error, error} = Hotpush.push_all_to_device("nobody@127.0.0.1")
      iex> error.stage
      :connect
  """
  @spec push_all_to_device(String.t() | atom(), keyword()) :: Counts.t() | failure()
  def push_all_to_device(id, options \\ []) when id not in [nil, ""] do
    ready(fn ->
      with {:ok, config} <- Options.config(Keyword.put_new(options, :compile, false)),
           {:ok, targets} <- Connect.targets(config, id),
           {:ok, report} <- Push.run(%{config | targets: targets}) do
        case report.outcomes do
          [%Result{connected?: false, failures: [error | _]}] -> {:error, error}
          _ -> Counts.of(report)
        end
      end
    end)
  end

  @doc """
  Pushes to nodes the modules that are new or have changed since a snapshot (see `snapshot_beams/0`),
  unless a node already runs them.

  Returns what `push_all/2` returns. Removes no modules, and does not compile.

      iex> Hotpush.push_changed([:"nobody@127.0.0.1"], Hotpush.snapshot_beams())
      {0, []}
  """
  @spec push_changed([node()], Snapshot.t(), keyword()) :: Counts.t()
  def push_changed(nodes, snapshot, options \\ []) when is_map(snapshot) do
    ready(fn ->
      case value!(Snapshot.changed(snapshot)) do
        [] -> {0, []}
        changed -> nodes |> to(options) |> tally(scope: MapSet.new(changed))
      end
    end)
  end

  @doc """
  Returns the identity of each beam file of the project's runtime applications, by path.

  The identity depends on the content of the file on disk, not on its time.

      iex> snapshot = Hotpush.snapshot_beams()
      iex> snapshot == Hotpush.snapshot_beams()
      true
  """
  @spec snapshot_beams() :: Snapshot.t()
  def snapshot_beams, do: ready(fn -> value!(Snapshot.take()) end)

  @doc """
  Returns the folders with the beam files that a push uses: first the folder of the consolidated
  protocols, then those of the project's runtime applications.

      iex> Enum.all?(Hotpush.runtime_beam_dirs(), &File.dir?/1)
      true
  """
  @spec runtime_beam_dirs() :: [Path.t()]
  def runtime_beam_dirs, do: ready(fn -> value!(Snapshot.dirs()) end)

  defp to([], _options), do: :nobody

  defp to(nodes, options) do
    options = Keyword.merge([compile: false], options)
    value!(named(options ++ [node: nodes]))
  end

  defp tally(:nobody, _), do: {0, []}
  defp tally(config, options), do: config |> Push.run(options) |> value!() |> Counts.of()

  # What calls in a VM share is started by the first of them.
  defp ready(fun) do
    Hotpush.Application.ensure_started()
    fun.()
  end

  # These have no place for an error in what they answer.
  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)
end
