defmodule Hotpush.Project.OtherModules do
  @moduledoc "The modules that count for a push, but are not among those of the applications to push."

  alias Hotpush.Project.{App, Apps, MixFile, Platform}

  @doc """
  The modules of Elixir and of Erlang/OTP here, without those of the project's applications: some systems
  install applications next to OTP's own.
  """
  @spec platform(Platform.t(), [App.t()]) :: Platform.t()
  def platform(platform, apps) do
    names = for app <- apps, do: to_string(app.name)
    for {name, app} <- platform, app not in names, into: %{}, do: {name, app}
  end

  @doc "Elixir's own protocols: those that are consolidated here, but belong to no application."
  @spec protocols(MixFile.t(), [App.t()]) :: [module()]
  def protocols(mix, apps) do
    ours = MapSet.new(Enum.flat_map(apps, & &1.modules))

    for dir <- List.wrap(mix.consolidated),
        {:ok, files} <- [File.ls(dir)],
        # Sorted, since a device's answer and what the host remembers depend on the order.
        "Elixir." <> _ = file <- Enum.sort(files),
        module = file |> Path.basename(".beam") |> String.to_atom(),
        not MapSet.member?(ours, module),
        do: module
  end

  @doc """
  The modules of the applications with the name of one of the platform's. A device is asked whether it has
  such a module of its own.
  """
  @spec taken([App.t()], Platform.t()) :: [module()]
  def taken(apps, platform) do
    for app <- apps,
        module <- app.modules,
        Map.has_key?(platform, to_string(module)),
        uniq: true,
        do: module
  end

  @doc """
  What consolidation here knew besides the runtime applications: Elixir's own modules, and everything else
  of this build on the code path, which is Hotpush itself and other tools.
  """
  @spec system(MixFile.t(), Platform.t()) :: [String.t()]
  def system(mix, platform) do
    paths = for path <- :code.get_path(), do: to_string(path)
    lib = Path.join(mix.build_path, "lib") <> "/"

    tools =
      for dir <- Enum.filter(paths, &String.starts_with?(&1, lib)),
          {:ok, files} <- [File.ls(dir)],
          file <- files,
          Path.extname(file) == ".beam",
          do: Path.basename(file, ".beam")

    for({name, app} <- platform, app in ~w(elixir eex logger iex ex_unit mix), do: name) ++ tools
  end

  @doc "The modules of the project's own applications that were left out (`app_name:`)."
  @spec siblings(MixFile.t(), Apps.built(), [App.t()]) :: [String.t()]
  def siblings(mix, built, apps) do
    for name <- (mix.children || [mix.app]) -- Enum.map(apps, & &1.name),
        {:ok, {_ebin, keys}} <- [Map.fetch(built, name)],
        module <- keys[:modules] || [],
        do: to_string(module)
  end
end
