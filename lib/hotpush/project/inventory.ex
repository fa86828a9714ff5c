defmodule Hotpush.Project.Inventory do
  @moduledoc "What this project would run: every module of its applications, with its identity."

  alias Hotpush.{Error, Project}
  alias Hotpush.Scanner.Problems

  defmodule Beam do
    @moduledoc "One module of the project: what the scanner read, and the application that it belongs to."
    defstruct [:module, :app, :kind, :entry, consolidated?: false]

    @type t :: %__MODULE__{
            module: String.t(),
            app: atom(),
            kind: :own | :dep | :dev | :elixir,
            entry: Hotpush.Scanner.entry(),
            consolidated?: boolean()
          }
  end

  defstruct beams: %{},
            apps: [],
            problems: [],
            broken: MapSet.new(),
            system: MapSet.new(),
            platform: MapSet.new(),
            siblings: MapSet.new(),
            dispatched: %{},
            ways: MapSet.new(),
            target: nil,
            folder: "",
            consolidate?: false,
            docs?: false,
            known: nil

  @typedoc """
    * `:beams` - by module name
    * `:problems` - files that could not be used: the first ones, and a count
    * `:broken` - names of those files, and of modules that should have one: such a module does not count
      as gone
    * `:siblings` - modules of own applications that were left out
    * `:dispatched` - the implementations that consolidated protocols know: see `dispatching/2`
    * `:ways` - the project's own modules that find devices; they only run on this computer, so they
      are not among the beams
    * `:system` - modules of Elixir's own applications, and others that consolidation here knew
    * `:platform` - modules of Elixir and of Erlang/OTP, of which a device has its own
    * `:folder` - a digest of the name of the project's folder
    * `:docs?` - whether docs are kept in what is pushed
    * `:known` - the applications that the project may use; `nil` if it cannot know all of them
    * `:consolidate?` - whether the project wants its protocols consolidated
  """
  @type t :: %__MODULE__{
          beams: %{String.t() => Beam.t()},
          apps: [Project.App.t()],
          problems: [Error.t()],
          broken: MapSet.t(String.t()),
          system: MapSet.t(String.t()),
          platform: MapSet.t(String.t()),
          siblings: MapSet.t(String.t()),
          dispatched: %{String.t() => [String.t()]},
          ways: MapSet.t(String.t()),
          target: atom(),
          folder: String.t(),
          consolidate?: boolean(),
          docs?: boolean(),
          known: MapSet.t(String.t()) | nil
        }

  @doc "Scans the project's folders. Consolidated protocols replace the plain ones."
  @spec scan(Project.t(), module()) :: t()
  def scan(%Project{} = project, scanner) do
    overlay = List.wrap(project.consolidated)
    dirs = overlay ++ Enum.map(project.apps, & &1.ebin)
    File.mkdir_p(project.state_dir)

    scan =
      scanner.scan(dirs,
        keep: project.keep,
        overlay: length(overlay),
        manifest: Path.join(project.state_dir, "scan.manifest")
      )

    from_scan(project, length(overlay), scan)
  end

  @doc "Adds the application to every entry. Pure."
  @spec from_scan(Project.t(), non_neg_integer(), Hotpush.Scanner.scan()) :: t()
  def from_scan(project, overlay, scan) do
    apps = List.to_tuple(project.apps)
    owners = owners(project.apps)
    ways = MapSet.new(project.ways)

    beams =
      for entry <- scan.entries,
          entry.module not in ways,
          beam = beam(entry, overlay, apps, owners),
          into: %{},
          do: {beam.module, beam}

    %__MODULE__{
      beams: beams,
      apps: project.apps,
      problems: Problems.errors(scan.problems),
      broken: broken(project, scan),
      system: MapSet.new(project.system),
      platform: MapSet.new(project.platform),
      siblings: MapSet.new(project.siblings),
      ways: ways,
      target: project.target,
      folder: project.folder,
      consolidate?: project.consolidate?,
      docs?: "Docs" in project.keep,
      known: project.known && MapSet.new(project.known)
    }
  end

  # A compilation that fails has deleted the files of modules that it was to replace. Their .app file still
  # lists them. (After a compilation that succeeded, the files count: in the second of the one before, Mix
  # writes no new .app file.)
  defp broken(project, scan) do
    there = MapSet.new(scan.entries, & &1.module)
    unusable = MapSet.new(scan.problems, &Path.basename(&1.path, ".beam"))

    apps = if project.compiled?, do: [], else: project.apps

    for %{editable?: true} = app <- apps,
        name <- Enum.map(app.modules, &to_string/1),
        name not in there,
        into: unusable,
        do: name
  end

  @doc "A short digest of the code of all modules."
  @spec build_id(t()) :: String.t()
  def build_id(inventory) do
    code = for {name, beam} <- Enum.sort(inventory.beams), do: [name, 0, beam.entry.md5]
    <<digest::binary-4, _::binary>> = :erlang.md5(code)
    Base.encode16(digest, case: :lower)
  end

  @doc """
  Adds the implementations that the consolidated protocols among these modules know. They are read from
  their files, since the last consolidation may have known more, or fewer, than the build has.
  """
  @spec dispatching(t(), [String.t()]) :: t()
  def dispatching(inventory, names) do
    dispatched =
      for name <- names,
          %Beam{consolidated?: true, entry: entry} <- [inventory.beams[name]],
          into: %{},
          do: {name, implementations(name, entry.path)}

    %{inventory | dispatched: dispatched}
  end

  # Its code names them, so they are in its atom table.
  defp implementations(protocol, path) do
    case :beam_lib.chunks(String.to_charlist(path), [:atoms]) do
      {:ok, {_, [atoms: atoms]}} ->
        for {_, atom} <- atoms,
            name = to_string(atom),
            String.starts_with?(name, protocol <> "."),
            do: name

      # Something is writing the file: packing it will report that.
      {:error, :beam_lib, _} ->
        []
    end
  end

  defp owners(apps),
    do: for(app <- apps, module <- app.modules, into: %{}, do: {to_string(module), app})

  # A consolidated protocol is in no application's folder, but the .app files say where it belongs.
  defp beam(%{dir: dir} = entry, overlay, _apps, owners) when dir < overlay do
    case Map.fetch(owners, entry.module) do
      {:ok, app} -> %{beam(entry, app.name, app.kind) | consolidated?: true}
      :error -> %{beam(entry, :elixir, :elixir) | consolidated?: true}
    end
  end

  defp beam(entry, overlay, apps, _owners) do
    app = elem(apps, entry.dir - overlay)
    beam(entry, app.name, app.kind)
  end

  defp beam(entry, app, kind), do: %Beam{module: entry.module, app: app, kind: kind, entry: entry}
end
