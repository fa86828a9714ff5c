defmodule Hotpush.Project.Workspace do
  @moduledoc """
  The Mix project as a place to work in: its surroundings, and its compilation. `Hotpush.Project` has
  its contents, and `Hotpush.Project.MixFile` what `mix.exs` says.
  """

  alias Hotpush.{Config, Error, Turn}
  alias Hotpush.Config.Given
  alias Hotpush.Project.{Consolidation, LateSaves}
  alias Hotpush.Project.LateSaves.Record
  alias Hotpush.Transport.ChildEnv.Withheld
  alias Hotpush.Transport.Dist.Owner

  @doc "Whether there is a project at all."
  @spec check() :: :ok | {:error, Error.t()}
  def check do
    if Code.ensure_loaded?(Mix.Project) and Mix.Project.get() != nil,
      do: :ok,
      else: {:error, Error.new(:usage, nil, :no_project)}
  end

  @doc "The config: what was typed, with the environment, hotpush.toml and the Mix config."
  @spec config(Given.t()) :: {:ok, Config.t()} | {:error, Error.t()}
  def config(given), do: Turn.take(:build, fn -> read_config(given) end)

  # During a compilation in another process, other projects are the current one for a while.
  defp read_config(given) do
    app_envs = Map.new([:hotpush, :mix_tasks_upload_hotswap], &{&1, Application.get_all_env(&1)})

    with {:ok, config} <-
           Config.build(given, System.get_env(), app_envs, Mix.target(), settings_dirs()) do
      Withheld.add(config.cookie_variables)
      {:ok, %{config | guides: guides()}}
    end
  end

  # The path from here. In Hotpush's own folder, Hotpush is not a dependency.
  defp guides do
    folder = if Mix.Project.get(), do: Mix.Project.deps_paths()[:hotpush]
    Path.relative_to_cwd(Path.join(folder || File.cwd!(), "guides"))
  end

  @doc """
  The folders that may have a `hotpush.toml`, nearest first: that of the project's `mix.exs`, and that
  of the lock file, which a child of an umbrella shares with its root.
  """
  @spec settings_dirs() :: [Path.t()]
  def settings_dirs do
    files = [Mix.Project.project_file(), Mix.Project.config()[:lockfile] || "mix.lock"]
    files |> Enum.reject(&is_nil/1) |> Enum.map(&Path.dirname(Path.expand(&1))) |> Enum.uniq()
  end

  @doc "A digest of the name of the project's folder (of the root, in an umbrella)."
  @spec folder() :: String.t()
  def folder do
    <<digest::binary-4, _::binary>> = settings_dirs() |> List.last() |> :erlang.md5()
    Base.encode16(digest, case: :lower)
  end

  @doc "The application of the project; `nil` at the root of an umbrella."
  @spec name() :: atom()
  def name, do: Mix.Project.config()[:app]

  @doc "The folder for small files that are kept between runs. It is in the build folder."
  @spec state_dir() :: Path.t()
  def state_dir, do: Path.join(Mix.Project.build_path(), ".hotpush")

  @doc """
  Compiles the project unless the config says otherwise, even if this VM has compiled it before. The
  caller must have the turn to build, see `Hotpush.Turn`.
  """
  @spec compile(Config.t()) :: :ok | {:error, Error.t()}
  def compile(%Config{compile?: false}), do: consolidate()

  def compile(%Config{} = config) do
    if config.watch?, do: forget()
    if Mix.Project.umbrella?(), do: keep_loadable()
    keep_crypto()
    record = Record.read(record())
    shown = show_late_saves(record)
    # A task runs once in a VM.
    compilers = Mix.Project.config()[:compilers] || Mix.compilers()

    names =
      ["compile", "compile.all", "compile.protocols"] ++ Enum.map(compilers, &"compile.#{&1}")

    Enum.each(names, &Mix.Task.reenable/1)
    Owner.settled(fn -> Mix.Task.run("compile", []) end)
    now = LateSaves.record(shown)
    if now == record, do: :ok, else: Record.write(now, record())
  rescue
    error in Mix.Error -> {:error, Error.new(:compile, nil, {:compile, Exception.message(error)})}
  catch
    # Mix ends like this after the compiler has reported the error.
    :exit, {:shutdown, status} -> {:error, Error.new(:compile, nil, {:compile, status})}
  end

  # So that Mix does what it does in a VM of its own: a command compiles path dependencies first, and has
  # loaded no protocol that is consolidated.
  defp forget do
    Consolidation.forget(Mix.Project.consolidation_path())

    if dependencies(Keyword.keys(own_places())) != [] do
      keep_loadable()
      Mix.Task.clear()
    end
  end

  # Mix compiled path dependencies before this task: compile those with such a source again.
  defp show_late_saves(record) do
    own = own_places()
    deps = for {_app, place} <- dependencies(Keyword.keys(own)), do: LateSaves.show(place, record)

    if Enum.any?(deps, &(&1.late != [])) do
      keep_loadable()
      Mix.Task.clear()
    end

    deps ++ for {_app, place} <- own, do: LateSaves.show(place, record)
  end

  @doc "The folders with sources: of the project, its children, and its path dependencies."
  @spec source_folders() :: [Path.t()]
  def source_folders do
    own = own_places()
    places = own ++ dependencies(Keyword.keys(own))
    Enum.uniq(for {_app, {sources, _ebin, _manifests}} <- places, folder <- sources, do: folder)
  end

  @doc """
  The files that are read only when the command starts: files, and folders with everything below them.
  """
  @spec read_once() :: [Path.t()]
  def read_once do
    children = Map.values(Mix.Project.apps_paths() || %{})
    scms = Mix.Project.deps_scms()

    deps =
      for {app, path} <- Mix.Project.deps_paths(),
          app != :hotpush and not scms[app].fetchable?(),
          do: path

    for folder <- Enum.uniq(settings_dirs() ++ Enum.map(children ++ deps, &Path.expand/1)),
        name <- ~w(mix.exs mix.lock hotpush.toml config),
        do: Path.join(folder, name)
  end

  defp record, do: Path.join([Mix.Project.build_path(), ".hotpush", "saves"])

  # Distribution loads crypto when it starts, while the compiler runs. If Mix (1.15 and newer) removes
  # crypto's folder from the code path at that moment, crypto cannot find its native code, and prints a
  # stack trace.
  defp keep_crypto do
    if Version.match?(System.version(), ">= 1.15.0"), do: Code.ensure_loaded(:crypto)
    :ok
  end

  # While Mix (1.15 and newer) compiles a child or a dependency, the code path has only what that one
  # needs, and devices are being reached at the same time.
  defp keep_loadable do
    Application.load(:hotpush)
    {:ok, modules} = :application.get_key(:hotpush, :modules)
    _ = :code.ensure_modules_loaded(modules)
    :ok
  end

  defp own_places do
    case Mix.Project.apps_paths() do
      nil -> [{Mix.Project.config()[:app], place()}]
      paths -> for {app, path} <- paths, do: {app, Mix.Project.in_project(app, path, &place/1)}
    end
  end

  # What Mix does not fetch is edited here.
  defp dependencies(own) do
    paths = Mix.Project.deps_paths()

    for {app, scm} <- Mix.Project.deps_scms(),
        not scm.fetchable?() and app not in own and app != :hotpush,
        File.exists?(Path.join(paths[app], "mix.exs")) do
      build = Path.join([Mix.Project.build_path(), "lib", "#{app}"])
      {sources, _, _} = Mix.Project.in_project(app, paths[app], &place/1)
      {app, {sources, Path.join(build, "ebin"), manifests(Path.join(build, ".mix"))}}
    end
  end

  defp place(_project \\ nil) do
    config = Mix.Project.config()
    dirs = [config[:elixirc_paths], config[:erlc_paths], config[:erlc_include_path]]

    {dirs |> List.flatten() |> Enum.reject(&is_nil/1) |> Enum.uniq() |> Enum.map(&Path.expand/1),
     Mix.Project.compile_path(), manifests(Mix.Project.manifest_path())}
  end

  defp manifests(dir),
    do: for(name <- ["elixir", "erlang"], do: Path.join(dir, "compile.#{name}"))

  @code_path_alone [
    "--no-compile",
    "--no-deps-check",
    "--no-validate-compile-env",
    "--no-protocol-consolidation"
  ]

  @doc "Consolidates protocols again if Mix has deleted them: see `Hotpush.Project.Consolidation`."
  @spec consolidate() :: :ok
  def consolidate do
    path = Mix.Project.get() && Mix.Project.consolidation_path()

    if path && Mix.Project.config()[:consolidate_protocols] && not File.dir?(path) && compiled?() do
      # This compiles nothing, but sets the code path of a compilation. Mix itself would consolidate
      # only what has changed according to its record, which describes the deleted folder.
      Mix.Task.run("compile", @code_path_alone)
      unless File.dir?(path), do: Consolidation.write(path, :code.get_path())
    end

    :ok
  end

  defp compiled? do
    apps =
      case Mix.Project.apps_paths() do
        nil -> [Mix.Project.config()[:app]]
        paths -> Map.keys(paths)
      end

    lib = Path.join(Mix.Project.build_path(), "lib")
    Enum.any?(apps, &File.exists?(Path.join([lib, "#{&1}", "ebin", "#{&1}.app"])))
  end

  @doc "Loads the project's own modules that find devices, as they were compiled last."
  @spec load_ways(Config.t()) :: :ok
  def load_ways(%Config{discovery: []}), do: :ok

  def load_ways(%Config{}) do
    Mix.Task.run("loadpaths", ["--no-compile", "--no-deps-check"])
    :ok
  end
end
