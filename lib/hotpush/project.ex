defmodule Hotpush.Project do
  @moduledoc """
  What Mix knows about the project: its applications, the folders of their beams, the chunks to keep.

  Only this module, `Hotpush.Project.Workspace` and `lib/mix` call Mix.
  """

  alias Hotpush.{Config, Error}
  alias Hotpush.Project.{Platform, Workspace}

  defmodule App do
    @moduledoc """
    One application of the project.

    `:kind` is `:own` (of this project), `:dep` (a runtime dependency) or `:dev` (only in development
    firmware: a dependency with an `only:` without `:prod`, or one that only such dependencies need).
    `:editable?` says that its sources are edited in place: an own application, a path dependency, a
    sibling in the umbrella.
    """
    defstruct [:name, :kind, :ebin, :vsn, editable?: false, modules: [], needs: []]

    @type t :: %__MODULE__{
            name: atom(),
            kind: :own | :dep | :dev,
            ebin: Path.t(),
            vsn: String.t() | nil,
            editable?: boolean(),
            modules: [module()],
            needs: [atom()]
          }
  end

  defstruct [
              apps: [],
              consolidated: nil,
              consolidate?: false,
              keep: [],
              state_dir: nil,
              folder: "",
              target: nil
            ] ++
              [
                system: [],
                siblings: [],
                protocols: [],
                taken: [],
                platform: [],
                ways: [],
                known: nil
              ]

  @typedoc """
  Among others:

    * `:folder` - a digest of the name of its folder
    * `:system` - other modules than the applications' that consolidation here knew
    * `:siblings` - modules of the project's own applications that were left out (`app_name:`)
    * `:protocols` - Elixir's own consolidated protocols
    * `:platform` - the modules of Elixir and Erlang/OTP here
    * `:taken` - modules of the applications with the name of one of these
  """
  @type t :: %__MODULE__{
          apps: [App.t()],
          consolidated: Path.t() | nil,
          consolidate?: boolean(),
          keep: [String.t()],
          state_dir: Path.t(),
          folder: String.t(),
          target: atom(),
          system: [String.t()],
          ways: [String.t()],
          siblings: [String.t()],
          protocols: [module()],
          taken: [module()],
          platform: [String.t()],
          known: [String.t()] | nil
        }

  @doc """
  Reads the project as it was compiled last. `platform` has the modules of Elixir and Erlang/OTP here,
  which no compilation changes. Returns an error for an `--app` that the project does not have.
  """
  @spec load(Config.t(), Platform.t()) :: {:ok, t()} | {:error, Error.t()}
  def load(%Config{} = config, platform \\ Platform.modules()) do
    Workspace.consolidate()
    lib = Path.join(Mix.Project.build_path(), "lib")
    built = built_apps(lib)
    own = own_apps(config, built)

    with :ok <- known(config, built), :ok <- compiled(own, built) do
      apps = built |> kinds(own, dev_only_deps(), config.apps) |> editable()
      platform = besides(platform, apps)

      {:ok,
       %__MODULE__{
         apps: apps,
         protocols: foreign_protocols(apps),
         taken: taken(apps, platform),
         consolidated: consolidated(),
         consolidate?: Mix.Project.config()[:consolidate_protocols] == true,
         keep: keep(config),
         state_dir: Workspace.state_dir(),
         folder: Workspace.folder(),
         target: Mix.target(),
         ways: Enum.map(config.discovery, &to_string/1),
         system: system_modules(lib, platform),
         platform: Map.keys(platform),
         siblings: siblings(built, apps),
         known: known_apps(own)
       }}
    end
  end

  defp own_apps(%Config{app_names: [_ | _] = names}, _built), do: names

  defp own_apps(_config, built) do
    case Mix.Project.apps_paths() do
      nil -> [Mix.Project.config()[:app]]
      paths -> paths |> Map.keys() |> Enum.filter(&Map.has_key?(built, &1)) |> Enum.sort()
    end
  end

  # name => {ebin, keys of the .app file}; OTP's and Elixir's own applications are not built here.
  defp built_apps(lib) do
    for path <- Path.wildcard(Path.join(lib, "*/ebin/*.app")),
        {:ok, [{:application, name, keys}]} <- [:file.consult(path)],
        # No device has it, unless it is the project itself.
        name != :hotpush or Mix.Project.config()[:app] == :hotpush,
        into: %{},
        do: {name, {Path.dirname(path), keys}}
  end

  defp known(config, built) do
    case Enum.find(config.app_names ++ config.apps, &(not Map.has_key?(built, &1))) do
      nil ->
        :ok

      :hotpush ->
        {:error, Error.new(:usage, :hotpush, :itself)}

      name ->
        near =
          Hotpush.Plan.ModuleFilter.near(to_string(name), Enum.map(Map.keys(built), &to_string/1))

        error = Error.new(:usage, name, {:no_such_app, near})
        place = config.app_places[name]
        {:error, if(place, do: Error.new(:usage, place, {:settings_value, error}), else: error)}
    end
  end

  # With --no-compile, there may be no compiled code yet, which does not make it an empty project.
  defp compiled(own, built) do
    if Enum.any?(own, &Map.has_key?(built, &1)),
      do: :ok,
      else:
        {:error, Error.new(:usage, Path.relative_to_cwd(Mix.Project.build_path()), :not_compiled)}
  end

  defp kinds(built, own, dev_only, asked) do
    runtime = closure(built, own, fn app -> if app in own, do: dev_only, else: [] end)
    everything = closure(built, own, fn _app -> [] end)
    # With --app, the user wants this dependency, even if it is for development only.
    chosen = Enum.uniq(runtime ++ asked)

    for name <- Enum.uniq(chosen ++ everything) do
      {ebin, keys} = Map.fetch!(built, name)

      kind =
        cond do
          name in own -> :own
          name in chosen -> :dep
          true -> :dev
        end

      %App{
        name: name,
        kind: kind,
        ebin: ebin,
        vsn: to_string(keys[:vsn]),
        modules: keys[:modules] || [],
        needs: needs(keys)
      }
    end
  end

  # Mix compiles in place what it does not fetch: path dependencies and siblings in the umbrella.
  defp editable(apps) do
    here = for {app, scm} <- Mix.Project.deps_scms(), not scm.fetchable?(), do: app
    here = here ++ Map.keys(Mix.Project.apps_paths() || %{})
    for app <- apps, do: %{app | editable?: app.kind == :own or app.name in here}
  end

  defp closure(built, roots, without, seen \\ [])
  defp closure(_built, [], _without, seen), do: Enum.reverse(seen)

  defp closure(built, [app | rest], without, seen) do
    if app in seen or not Map.has_key?(built, app) do
      closure(built, rest, without, seen)
    else
      {_, keys} = Map.fetch!(built, app)
      closure(built, rest ++ (needs(keys) -- without.(app)), without, [app | seen])
    end
  end

  defp needs(keys), do: (keys[:applications] || []) ++ (keys[:included_applications] || [])

  # Declared with an `only:` without :prod, here or in a child of the umbrella.
  defp dev_only_deps do
    children =
      for {app, path} <- Mix.Project.apps_paths() || %{} do
        Mix.Project.in_project(app, path, fn _ -> Mix.Project.config()[:deps] end)
      end

    for dep <- List.flatten([Mix.Project.config()[:deps] | children]),
        only = dep_options(dep)[:only],
        :prod not in List.wrap(only),
        uniq: true,
        do: elem(dep, 0)
  end

  defp dep_options({_app, options}) when is_list(options), do: options
  defp dep_options({_app, _requirement, options}), do: options
  defp dep_options(_), do: []

  defp consolidated do
    path = Mix.Project.consolidation_path()
    if Mix.Project.config()[:consolidate_protocols] && File.dir?(path), do: path
  end

  # Protocols that are consolidated here, but belong to no application of the project, are Elixir's.
  defp foreign_protocols(apps) do
    ours = MapSet.new(Enum.flat_map(apps, & &1.modules))

    for dir <- List.wrap(consolidated()),
        {:ok, files} <- [File.ls(dir)],
        # Sorted, since a device's answer and what the host remembers depend on the order.
        "Elixir." <> _ = file <- Enum.sort(files),
        module = file |> Path.basename(".beam") |> String.to_atom(),
        not MapSet.member?(ours, module),
        do: module
  end

  # Every application that the project may use, pushed or not: its own, all of its dependencies, OTP's
  # and Elixir's. A child of an umbrella does not know its siblings.
  defp known_apps(own) do
    if match?([_], Workspace.settings_dirs()) do
      # Its own, also where the config says to push another one only.
      own = List.wrap(Mix.Project.config()[:app]) ++ own
      names = own ++ Map.keys(Mix.Project.apps_paths() || %{}) ++ Mix.Project.deps_apps()
      Enum.map(names, &to_string/1) ++ Platform.names()
    end
  end

  # What consolidation here knew besides the runtime applications: Elixir's own modules, and everything
  # else of this build on the code path (hotpush itself, other tools).
  defp system_modules(lib, platform) do
    paths = for path <- :code.get_path(), do: to_string(path)

    tools =
      for dir <- Enum.filter(paths, &String.starts_with?(&1, lib <> "/")),
          {:ok, files} <- [File.ls(dir)],
          file <- files,
          Path.extname(file) == ".beam",
          do: Path.basename(file, ".beam")

    for({name, app} <- platform, app in ~w(elixir eex logger iex ex_unit mix), do: name) ++ tools
  end

  defp siblings(built, apps) do
    own = Map.keys(Mix.Project.apps_paths() || %{Mix.Project.config()[:app] => "."})

    for name <- own -- Enum.map(apps, & &1.name),
        {:ok, {_ebin, keys}} <- [Map.fetch(built, name)],
        module <- keys[:modules] || [],
        do: to_string(module)
  end

  # Some systems install applications next to OTP's own.
  defp besides(platform, apps) do
    names = for app <- apps, do: to_string(app.name)
    for {name, app} <- platform, app not in names, into: %{}, do: {name, app}
  end

  # A device is also asked whether it has such a module of its own.
  defp taken(apps, platform) do
    for app <- apps,
        module <- app.modules,
        Map.has_key?(platform, to_string(module)),
        uniq: true,
        do: module
  end

  # As in `mix release`: strip_beams: [keep: ["Docs"]] in the release's options.
  defp keep(config) do
    kept =
      for {_name, release} <- Mix.Project.config()[:releases] || [],
          is_list(release),
          strip = release[:strip_beams],
          is_list(strip),
          chunk <- strip[:keep] || [],
          do: chunk

    docs = if config.docs?, do: ["Docs"], else: []
    Enum.sort(Enum.uniq(kept ++ docs) -- Hotpush.Scanner.Layout.digest_chunks())
  end
end
