defmodule Hotpush.Test.Project do
  @moduledoc "Generated Mix projects that use hotpush as a user does."

  alias Hotpush.Test.{Run, Until}
  alias Hotpush.Test.Project.{Command, Session, Source, Template}

  defstruct [:app, :dir, :home]

  @type t :: %__MODULE__{app: atom, dir: Path.t(), home: Path.t()}

  @doc """
  Writes a project into a temporary folder.

    * `app:` - `:sample` by default
    * `files:` - `%{"lib/sample.ex" => source, "src/a.erl" => source}`
    * `deps:` - path dependencies, made beside the project:
      `[{:thing, [only: :dev], files: %{...}, deps: [...], mod: ...}]`, where the
      second element is what the project's `mix.exs` says of it
    * `children:` - makes an umbrella: `[{:child, files: %{...}, deps: [...]}]`;
      `{:other_child, in_umbrella: true}` is a dependency like any other
    * `config:` - the text of `config/config.exs`
    * `mod:`, `extra_applications:` - as in `application/0`
    * `project:` - the text of more settings in `project/0`
    * `hotpush:` - `false` leaves hotpush out
  """
  @spec new(keyword) :: t
  def new(opts) do
    base = Run.dir("project")
    app = Keyword.get(opts, :app, :sample)
    project = %__MODULE__{app: app, dir: Path.join(base, "app"), home: Path.join(base, "home")}
    File.mkdir_p!(project.home)
    File.mkdir_p!(project.dir)
    hotpush = if Keyword.get(opts, :hotpush, true), do: [Source.hotpush_dep()], else: []
    opts = Keyword.merge(opts, app: app, hotpush_deps: hotpush)

    if opts[:children], do: write_umbrella(project.dir, opts), else: write_app(project.dir, opts)
    if opts[:config], do: write(project, "config/config.exs", opts[:config])
    if hotpush != [], do: Template.install(project.dir)
    project
  end

  defp write_umbrella(dir, opts) do
    for {child, spec} <- opts[:children] do
      spec = Keyword.merge(spec, app: child, project: Source.child_settings())
      write_app(Path.join([dir, "apps", to_string(child)]), spec, Path.dirname(dir))
    end

    spec = [children: Keyword.keys(opts[:children]), deps: opts[:hotpush_deps]]
    put(dir, "mix.exs", Source.umbrella(Keyword.merge(opts, spec)))
  end

  # `base` is where path dependencies stand.
  defp write_app(dir, spec, base \\ nil) do
    base = base || Path.dirname(dir)

    deps =
      for dep <- spec[:deps] || [] do
        case dep do
          {name, said, content} ->
            write_app(Path.join(base, to_string(name)), [app: name] ++ content, base)
            {name, [path: Path.join(base, to_string(name))] ++ said}

          {_name, _said} ->
            dep
        end
      end

    put(dir, "mix.exs", Source.app(Keyword.put(spec, :deps, (spec[:hotpush_deps] || []) ++ deps)))
    for {path, source} <- spec[:files] || %{}, do: put(dir, path, source)
    :ok
  end

  @doc "Puts compiled hotpush into another build of the project than that of MIX_ENV=dev."
  @spec prebuild(t, Path.t()) :: :ok
  def prebuild(project, build), do: Template.install(project.dir, build)

  @doc "Writes a file of the project, as an editor does; `path` may begin with `../dep/`."
  @spec write(t, Path.t(), String.t()) :: :ok
  def write(project, path, source), do: put(project.dir, path, source)

  @doc "Replaces `from` in a file of the project by `to`. Raises when it is not there."
  @spec edit(t, Path.t(), String.t() | Regex.t(), String.t()) :: :ok
  def edit(project, path, from, to) do
    old = File.read!(Path.join(project.dir, path))
    new = String.replace(old, from, to)
    if new == old, do: raise("#{path} has no #{inspect(from)}")
    write(project, path, new)
  end

  @doc "Deletes a file of the project."
  @spec delete(t, Path.t()) :: :ok
  def delete(project, path), do: File.rm!(Path.join(project.dir, path))

  defp put(dir, path, source) do
    path = Path.expand(path, dir)
    File.mkdir_p!(Path.dirname(path))
    later(path, source)
  end

  # Mix does not see a change of equal size in the second of the last compilation, and a test is quicker
  # than a person: this compilation was a second earlier.
  defp later(path, source) do
    if File.exists?(path) do
      manifests = manifests(path)
      if Path.extname(path) in [".erl", ".hrl"], do: wait([path | manifests])
      now = System.os_time(:second)
      for file <- manifests, mtime(file) >= now, do: File.touch!(file, now - 1)
    end

    File.write!(path, source)
  end

  # Erlang's compiler compares the source with its beam, which is in no manifest.
  defp wait(files) do
    last = Enum.max(Enum.map(files, &mtime/1))
    Until.until("the next second", fn -> System.os_time(:second) > last end, 3_000)
  end

  defp manifests(path) do
    dirs = path |> Path.split() |> Enum.scan(&Path.join(&2, &1))
    Enum.flat_map(dirs, &Path.wildcard(&1 <> "/_build/*/lib/*/.mix/*", match_dot: true))
  end

  defp mtime(file), do: File.stat!(file, time: :posix).mtime

  @doc """
  Runs the real `mix` in the project, with MIX_ENV=dev. Answers the whole output
  and the exit status.

  `env` adds variables: `%{"MIX_ENV" => "prod"}`.
  """
  @spec mix(t, [String.t()], %{String.t() => String.t()}) :: {String.t(), non_neg_integer}
  def mix(project, args, env \\ %{}) do
    Command.mix(project.dir, project.home, args, Enum.to_list(env))
  end

  @doc """
  The same as `mix/3`, in a VM that stays, or `:none`: see `Hotpush.Test.Project.Session`.
  HOTPUSH_TEST_SESSIONS=off leaves it out.
  """
  @spec mix_in_session(t, [String.t()], %{String.t() => String.t()}) ::
          {String.t(), non_neg_integer} | :none
  def mix_in_session(project, args, env) do
    if System.get_env("HOTPUSH_TEST_SESSIONS") == "off",
      do: :none,
      else: Session.run(project.dir, project.home, args, Enum.to_list(env))
  end

  @doc "As `mix/3`; raises with the output unless it exits with 0."
  @spec mix!(t, [String.t()], %{String.t() => String.t()}) :: String.t()
  def mix!(project, args, env \\ %{}) do
    case mix(project, args, env) do
      {output, 0} -> output
      {output, status} -> raise "mix #{Enum.join(args, " ")} exited with #{status}:\n#{output}"
    end
  end

  @doc "As `mix/3`, with standard output and standard error apart."
  @spec mix_apart(t, [String.t()], %{String.t() => String.t()}) ::
          {stdout :: String.t(), stderr :: String.t(), non_neg_integer}
  def mix_apart(project, args, env \\ %{}) do
    Command.mix_apart(project.dir, project.home, args, Enum.to_list(env))
  end

  @doc "As `mix/3`, on a pseudo terminal, where `input` is typed (see `Command.mix_on_terminal/5`)."
  @spec mix_on_terminal(t, [String.t()], %{String.t() => String.t()}, input) ::
          {String.t(), non_neg_integer}
        when input: String.t() | {Path.t(), String.t()}
  def mix_on_terminal(project, args, env \\ %{}, input \\ "") do
    Command.mix_on_terminal(project.dir, project.home, args, Enum.to_list(env), input)
  end

  @doc """
  Makes a release and returns its path, for `Hotpush.Test.Device.start/1`.

  It is built in MIX_ENV=dev, as firmware under development is, unless `env` says
  another. It has no ERTS of its own.
  """
  @spec release(t, %{String.t() => String.t()}) :: Path.t()
  def release(project, env \\ %{}) do
    path = Run.dir("release")

    mix!(
      project,
      ["release", to_string(project.app), "--overwrite", "--quiet", "--path", path],
      env
    )

    path
  end
end
