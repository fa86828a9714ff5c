defmodule Hotpush.Test.History.Library do
  @moduledoc """
  A library in a git repository, and generated projects that have one of its commits: as a path
  dependency, or as their own sources.

  The library's own `mix.exs` is not used, except for the application's name, its `mod:` and its
  `extra_applications:`, so nothing needs Hex.
  """

  alias Hotpush.Test.{Project, Run}
  alias Hotpush.Test.Project.Source

  defstruct [:repository, :app]

  @type t :: %__MODULE__{repository: Path.t(), app: atom}
  @type kind :: :dependency | :own

  # What a project has of its own, and what a device does not need.
  @left ~w(mix.exs mix.lock config deps test bench _build .git .github .formatter.exs)

  @doc "The library at `commit`."
  @spec at(Path.t(), String.t()) :: t
  def at(repository, commit) do
    %__MODULE__{repository: repository, app: said(repository, commit).app}
  end

  @doc """
  The commits that change `lib` or `src`, first parents only, oldest first: `count + 1` of them
  from `from` on, or the last ones.
  """
  @spec commits(Path.t(), pos_integer, String.t() | nil) :: [String.t()]
  def commits(repository, count, from \\ nil) do
    list = ~w(rev-list --first-parent --reverse)
    paths = ~w(-- lib src)

    if from do
      first = git(repository, ["rev-parse", "--verify", from <> "^{commit}"]) |> String.trim()
      later = git(repository, list ++ ["#{first}..HEAD"] ++ paths) |> String.split()
      [first | Enum.take(later, count)]
    else
      git(repository, list ++ ["HEAD"] ++ paths) |> String.split() |> Enum.take(-count - 1)
    end
  end

  @doc "A generated project for the library, without its sources: see `checkout/4`."
  @spec project(t, kind, keyword) :: Project.t()
  def project(library, :own, opts), do: Project.new([app: library.app] ++ opts)

  def project(library, :dependency, opts) do
    files = %{"lib/replayed.ex" => "defmodule Replayed do\n  def here, do: true\nend\n"}
    Project.new([app: :replayed, files: files, deps: [{library.app, [], []}]] ++ opts)
  end

  @doc """
  Makes the project have the library as it is at `commit`; like git, writes only what differs.
  `deps` is what a project of the kind `:own` depends on.
  """
  @spec checkout(t, Project.t(), kind, String.t(), [tuple]) :: :ok
  def checkout(library, project, kind, commit, deps) do
    to = folder(library, project, kind)
    from = Run.dir("commit")
    tree = Path.join(from, "tree.tar")

    top =
      library.repository |> git(["ls-tree", "--name-only", "-z", commit]) |> String.split("\0")

    paths = Enum.reject(top, &(&1 in ["" | @left]))
    git(library.repository, ["archive", "--output", tree, commit, "--" | paths])
    :ok = :erl_tar.extract(String.to_charlist(tree), cwd: String.to_charlist(from))
    File.rm!(tree)
    there = files(from)
    for path <- files(to) -- there, do: File.rm!(Path.join(to, path))
    for path <- there, do: write(Path.join(to, path), File.read!(Path.join(from, path)))
    File.rm_rf!(from)
    described = Map.to_list(said(library.repository, commit))
    deps = if kind == :own, do: deps, else: []
    write(Path.join(to, "mix.exs"), Source.app([deps: deps] ++ described))
  end

  defp folder(_library, project, :own), do: project.dir

  defp folder(library, project, :dependency),
    do: Path.join(Path.dirname(project.dir), to_string(library.app))

  defp files(dir) do
    for path <- Path.wildcard(Path.join(dir, "**"), match_dot: true),
        File.regular?(path),
        path = Path.relative_to(path, dir),
        hd(Path.split(path)) not in @left,
        do: path
  end

  defp write(path, content) do
    if File.read(path) != {:ok, content} do
      File.mkdir_p!(Path.dirname(path))
      File.write!(path, content)
    end

    :ok
  end

  # Read from the text of mix.exs, which is not run.
  defp said(repository, commit) do
    {_, said} =
      repository
      |> git(["show", commit <> ":mix.exs"])
      |> Code.string_to_quoted!()
      |> Macro.prewalk(%{}, fn
        {key, value} = pair, said when key in [:app, :mod, :extra_applications] ->
          {pair, if(term = literal(key, value), do: Map.put_new(said, key, term), else: said)}

        other, said ->
          {other, said}
      end)

    said
  end

  defp literal(:app, app) when is_atom(app), do: app
  defp literal(:mod, {{:__aliases__, _, names}, args}), do: {Module.concat(names), args}

  defp literal(:extra_applications, apps),
    do: if(is_list(apps) and Enum.all?(apps, &is_atom/1), do: [:logger | apps -- [:logger]])

  defp literal(_key, _value), do: nil

  @doc "The output of `git` in the repository, which it does not change."
  @spec git(Path.t(), [String.t()]) :: String.t()
  def git(repository, args) do
    env = Run.clean_env() ++ [{"HOME", Run.root()}, {"GIT_CONFIG_NOSYSTEM", "1"}]
    options = [cd: repository, env: env, stderr_to_stdout: true]

    case System.cmd("git", ["-c", "safe.directory=*" | args], options) do
      {output, 0} -> output
      {output, status} -> raise "git #{Enum.join(args, " ")} exited with #{status}:\n#{output}"
    end
  end
end
