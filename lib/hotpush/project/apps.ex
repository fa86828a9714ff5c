defmodule Hotpush.Project.Apps do
  @moduledoc "The applications of the build, and which of them belong to the project."

  alias Hotpush.{Config, Error}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.{App, MixFile}

  @typedoc """
  The applications that Mix has built, each with its folder and the keys of its .app file. OTP's and
  Elixir's own are not built here.
  """
  @type built :: %{atom() => {Path.t(), keyword()}}

  @doc "The applications that Mix has built, without Hotpush, unless it is the project itself."
  @spec built(MixFile.t()) :: built()
  def built(mix) do
    for path <- Path.wildcard(Path.join(mix.build_path, "lib/*/ebin/*.app")),
        {:ok, [{:application, name, keys}]} <- [:file.consult(path)],
        name != :hotpush or mix.app == :hotpush,
        into: %{},
        do: {name, {Path.dirname(path), keys}}
  end

  @doc "The project's own applications: those that the config names, or those of `mix.exs`."
  @spec own(MixFile.t(), Config.t(), built()) :: [atom()]
  def own(_mix, %Config{app_names: [_ | _] = names}, _built), do: names
  def own(%MixFile{children: nil, app: app}, _config, _built), do: [app]

  def own(%MixFile{children: children}, _config, built),
    do: children |> Enum.filter(&Map.has_key?(built, &1)) |> Enum.sort()

  @doc "Returns an error if the config names an application that is not built, or if none is built."
  @spec check([atom()], MixFile.t(), Config.t(), built()) :: :ok | {:error, Error.t()}
  def check(own, mix, config, built) do
    with :ok <- known(config, built), do: compiled(own, mix, built)
  end

  defp known(config, built) do
    case Enum.find(config.app_names ++ config.apps, &(not Map.has_key?(built, &1))) do
      nil ->
        :ok

      :hotpush ->
        {:error, Error.new(:usage, :hotpush, :itself)}

      name ->
        near = ModuleFilter.near(to_string(name), Enum.map(Map.keys(built), &to_string/1))
        error = Error.new(:usage, name, {:no_such_app, near})
        place = config.app_places[name]
        {:error, if(place, do: Error.new(:usage, place, {:settings_value, error}), else: error)}
    end
  end

  # With --no-compile, there may be no compiled code yet, which does not make it an empty project.
  defp compiled(own, mix, built) do
    if Enum.any?(own, &Map.has_key?(built, &1)),
      do: :ok,
      else: {:error, Error.new(:usage, Path.relative_to_cwd(mix.build_path), :not_compiled)}
  end

  @doc "The applications of the project: its own, and all that they need, each with its kind."
  @spec of(MixFile.t(), Config.t(), built()) :: [App.t()]
  def of(mix, config, built) do
    own = own(mix, config, built)
    runtime = closure(built, own, fn app -> if app in own, do: mix.dev_only, else: [] end)
    everything = closure(built, own, fn _app -> [] end)
    # With --app, the user wants this dependency, even if it is for development only.
    chosen = Enum.uniq(runtime ++ config.apps)

    for name <- Enum.uniq(chosen ++ everything) do
      {ebin, keys} = Map.fetch!(built, name)

      kind =
        cond do
          name in own -> :own
          name in chosen -> :dep
          true -> :dev
        end

      # Mix compiles in place what it does not fetch: path dependencies and siblings in the umbrella.
      editable? = kind == :own or name in mix.edited or name in (mix.children || [])
      %{App.new(name, kind, ebin, keys) | editable?: editable?}
    end
  end

  defp closure(built, roots, without, seen \\ [])
  defp closure(_built, [], _without, seen), do: Enum.reverse(seen)

  defp closure(built, [app | rest], without, seen) do
    if app in seen or not Map.has_key?(built, app) do
      closure(built, rest, without, seen)
    else
      {_, keys} = Map.fetch!(built, app)
      closure(built, rest ++ (App.needs(keys) -- without.(app)), without, [app | seen])
    end
  end
end
