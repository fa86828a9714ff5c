defmodule Hotpush.Test.Git do
  @moduledoc "Git repositories that generated projects depend on."

  alias Hotpush.Test.Run

  @doc "Makes a repository at `dir` of these files, in one commit."
  @spec init(Path.t(), %{Path.t() => String.t()}) :: :ok
  def init(dir, files) do
    git(dir, ["init", "--quiet", "--initial-branch=main"])
    commit(dir, files)
  end

  @doc "Writes files and commits them."
  @spec commit(Path.t(), %{Path.t() => String.t()}) :: :ok
  def commit(dir, files) do
    for {path, source} <- files do
      path = Path.join(dir, path)
      File.mkdir_p!(Path.dirname(path))
      File.write!(path, source)
    end

    git(dir, ["add", "--all"])
    git(dir, ~w(-c user.name=test -c user.email=test@localhost commit --quiet --message change))
  end

  # Without the user's own configuration.
  defp git(dir, args) do
    env = Run.clean_env() ++ [{"HOME", dir}, {"GIT_CONFIG_NOSYSTEM", "1"}]
    {_, 0} = System.cmd("git", args, cd: dir, env: env, stderr_to_stdout: true)
    :ok
  end
end
