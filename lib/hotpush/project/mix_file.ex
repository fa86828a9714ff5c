defmodule Hotpush.Project.MixFile do
  @moduledoc """
  What `mix.exs` says about the project, as data.

  `Hotpush.Project` makes a project from it and from the build. Only this module, `Hotpush.Project.Workspace`,
  `Hotpush.CLI` and `lib/mix` call Mix.
  """

  defstruct [:app, :children, :build_path, :target, :consolidated] ++
              [consolidate?: false, dev_only: [], deps: [], edited: [], keep: []]

  @typedoc """
    * `:app` - its application; `nil` at the root of an umbrella
    * `:children` - the applications of the umbrella; `nil` if it is none
    * `:dev_only` - dependencies with an `only:` without `:prod`
    * `:deps` - the applications of all dependencies
    * `:edited` - dependencies whose sources are edited in place
    * `:keep` - chunks that its releases keep
    * `:consolidated` - the folder of its consolidated protocols, if there is one
    * `:consolidate?` - whether it wants its protocols consolidated
  """
  @type t :: %__MODULE__{
          app: atom(),
          children: [atom()] | nil,
          build_path: Path.t(),
          target: atom(),
          consolidated: Path.t() | nil,
          consolidate?: boolean(),
          dev_only: [atom()],
          deps: [atom()],
          edited: [atom()],
          keep: [String.t()]
        }

  @doc "Reads it."
  @spec read() :: t()
  def read do
    config = Mix.Project.config()
    paths = Mix.Project.apps_paths()

    %__MODULE__{
      app: config[:app],
      children: paths && Map.keys(paths),
      build_path: Mix.Project.build_path(),
      target: Mix.target(),
      consolidated: consolidated(config),
      consolidate?: config[:consolidate_protocols] == true,
      dev_only: dev_only(config, paths || %{}),
      deps: Mix.Project.deps_apps(),
      edited: for({app, scm} <- Mix.Project.deps_scms(), not scm.fetchable?(), do: app),
      keep: keep(config)
    }
  end

  defp consolidated(config) do
    path = Mix.Project.consolidation_path()
    if config[:consolidate_protocols] && File.dir?(path), do: path
  end

  # Those of the children of an umbrella, too.
  defp dev_only(config, paths) do
    children =
      for {app, path} <- paths do
        Mix.Project.in_project(app, path, fn _ -> Mix.Project.config()[:deps] end)
      end

    for dep <- List.flatten([config[:deps] | children]),
        only = dep_options(dep)[:only],
        :prod not in List.wrap(only),
        uniq: true,
        do: elem(dep, 0)
  end

  defp dep_options({_app, options}) when is_list(options), do: options
  defp dep_options({_app, _requirement, options}), do: options
  defp dep_options(_), do: []

  # As in `mix release`: strip_beams: [keep: ["Docs"]] in the release's options.
  defp keep(config) do
    for {_name, release} <- config[:releases] || [],
        is_list(release),
        strip = release[:strip_beams],
        is_list(strip),
        chunk <- strip[:keep] || [],
        do: chunk
  end
end
