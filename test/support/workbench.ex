defmodule Hotpush.Test.Workbench do
  @moduledoc """
  An application in a temporary folder, without a Mix project: compiled in this VM, run by a device, and
  pushed by the code below the Mix task.

  The device has a copy of the folder from when it started, which is its firmware.
  """

  alias Hotpush.{Config, Project, Scanner}
  alias Hotpush.Config.Target
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Push.{Fleet, Visit}
  alias Hotpush.Report.Result
  alias Hotpush.Test.{Device, Run, SshDevice}
  alias Hotpush.Transport

  defstruct [:app, :ebin, :state_dir]

  @type t :: %__MODULE__{app: atom(), ebin: Path.t(), state_dir: Path.t()}

  @doc "An application with the modules of `source`."
  @spec new(atom(), String.t()) :: t()
  def new(app, source) do
    dir = Run.dir(to_string(app))
    ebin = Path.join([dir, "build", to_string(app), "ebin"])
    File.mkdir_p!(ebin)
    write(%__MODULE__{app: app, ebin: ebin, state_dir: Path.join(dir, "state")}, source)
  end

  @doc "Compiles Elixir `source` into the application, and lists its modules in the .app file."
  @spec write(t(), String.t()) :: t()
  def write(bench, source) do
    before = Code.compiler_options(ignore_module_conflict: true, debug_info: true)

    for {module, beam} <- Code.compile_string(source, "lib/#{bench.app}.ex") do
      put(bench, module, beam)
      :code.purge(module)
      :code.delete(module)
    end

    Code.compiler_options(before)
    describe(bench)
  end

  @doc "Compiles an Erlang module into the application."
  @spec write_erlang(t(), String.t()) :: t()
  def write_erlang(bench, source) do
    path = Path.join(Run.dir("erl"), Regex.run(~r/-module\((\w+)\)/, source) |> Enum.at(1))
    File.write!(path <> ".erl", source)
    {:ok, module, beam} = :compile.file(String.to_charlist(path), [:binary, :debug_info])
    put(bench, module, beam)
    describe(bench)
  end

  @doc "Replaces a module's file by any bytes."
  @spec put(t(), module(), binary()) :: :ok
  def put(bench, module, beam), do: File.write!(file(bench, module), beam)

  @doc "Removes a module, as a compilation after its source was deleted would."
  @spec remove(t(), module()) :: t()
  def remove(bench, module) do
    File.rm!(file(bench, module))
    describe(bench)
  end

  @doc "The path of a module's file."
  @spec file(t(), module()) :: Path.t()
  def file(bench, module), do: Path.join(bench.ebin, "#{module}.beam")

  defp describe(bench) do
    keys = [vsn: ~c"0.1.0", modules: modules(bench), applications: [:kernel, :stdlib, :elixir]]
    keys = keys ++ callback(bench) ++ [registered: [], description: ~c""]
    term = {:application, bench.app, keys}
    text = :unicode.characters_to_binary(:io_lib.format("%% coding: utf-8~n~tp.~n", [term]))
    File.write!(Path.join(bench.ebin, "#{bench.app}.app"), text)
    bench
  end

  # As in mix.exs of most projects: Desk.Application, if there is one.
  defp callback(bench) do
    mod = Module.concat([Macro.camelize(to_string(bench.app)), "Application"])
    if mod in modules(bench), do: [mod: {mod, []}], else: []
  end

  defp modules(bench) do
    for path <- Path.wildcard(Path.join(bench.ebin, "*.beam")),
        do: path |> Path.basename(".beam") |> String.to_atom()
  end

  @doc "Starts a device with the application as its firmware. Takes the options of `Device.start/1`."
  @spec device(t(), keyword()) :: Device.t()
  def device(bench, options \\ []) do
    bench |> firmware() |> Keyword.merge(options) |> Device.start()
  end

  @doc "The same as `device/2`, but reached by ssh. Takes the options of `SshDevice.start/1`."
  @spec ssh_device(t(), keyword()) :: SshDevice.t()
  def ssh_device(bench, options \\ []) do
    bench |> firmware() |> Keyword.merge(options) |> SshDevice.start()
  end

  defp firmware(bench) do
    firmware = Path.join([Run.dir("firmware"), to_string(bench.app), "ebin"])
    File.mkdir_p!(Path.dirname(firmware))
    File.cp_r!(bench.ebin, firmware)
    [code_paths: [firmware], apps: [bench.app]]
  end

  @doc "The target of a device. (A target of ssh is reached only within `SshDevice.with_path/2`.)"
  @spec target(t(), Device.t() | SshDevice.t()) :: Target.t()
  def target(bench, %Device{} = device) do
    %Target{
      name: to_string(device.node),
      transport: Transport.Dist,
      node: device.node,
      way: {:node, device.node},
      cookie: Hotpush.Config.Secret.wrap(device.cookie),
      state_dir: bench.state_dir
    }
  end

  def target(bench, %SshDevice{} = device) do
    {:ok, target} = Target.ssh(SshDevice.address(device))

    %Target{
      name: target.name,
      transport: Transport.Ssh,
      way: target.way,
      state_dir: bench.state_dir
    }
  end

  @doc """
  Pushes to one device. Options: fields of `Hotpush.Config`, `:scanner`, `:progress`, `:last_build` and
  `:barriers`.
  """
  @spec push(t(), Device.t(), keyword()) :: Result.t()
  def push(bench, device, options \\ []) do
    [outcome] = push_all(bench, [device], options)
    outcome
  end

  @doc "Pushes to devices side by side."
  @spec push_all(t(), [Device.t()], keyword()) :: [Result.t()]
  def push_all(bench, devices, options \\ []) do
    push_targets(bench, Enum.map(devices, &target(bench, &1)), options)
  end

  @doc "As `push_all/3`, to targets."
  @spec push_targets(t(), [Target.t()], keyword()) :: [Result.t()]
  def push_targets(bench, targets, options \\ []) do
    {scanner, options} = Keyword.pop(options, :scanner, Scanner.default())
    {progress, options} = Keyword.pop(options, :progress, &Function.identity/1)
    {last_build, options} = Keyword.pop(options, :last_build)
    {barriers, options} = Keyword.pop(options, :barriers, [])
    config = struct!(%Config{timeout: 20_000}, options)
    project = project(bench)

    visit = %Visit{
      config: config,
      project: project,
      scanner: scanner,
      progress: progress,
      last_build: last_build,
      inventory: fn ->
        inventory = Inventory.scan(project, scanner)
        {:ok, scope} = ModuleFilter.resolve(config.modules, config.apps, inventory)
        {:ok, inventory, scope}
      end
    }

    Fleet.run(visit, targets, barriers: barriers)
  end

  defp keys(bench) do
    {:ok, [{:application, _app, keys}]} = :file.consult(Path.join(bench.ebin, "#{bench.app}.app"))

    keys
  end

  defp project(bench) do
    %Project{
      apps: [Project.App.new(bench.app, :own, bench.ebin, keys(bench))],
      state_dir: bench.state_dir,
      target: :host
    }
  end
end
