defmodule Hotpush.Test.Project.Command do
  @moduledoc "Runs the real `mix` in its own OS process, as a user at a shell without a terminal."

  alias Hotpush.Test.{Leash, Run}

  @seconds 180

  @doc """
  Runs `mix` with `args` in `dir`; `home` is its HOME.

  `env` adds to a clean environment. Returns the output, including standard error,
  and the exit status (137 if it took over three minutes and was killed).
  """
  @spec mix(Path.t(), Path.t(), [String.t()], [{String.t(), String.t() | nil}]) ::
          {String.t(), non_neg_integer}
  def mix(dir, home, args, env), do: run(["mix" | args], dir, home, env, stderr_to_stdout: true)

  @doc "The same as `mix/4`, with separate standard output and standard error."
  @spec mix_apart(Path.t(), Path.t(), [String.t()], [{String.t(), String.t() | nil}]) ::
          {stdout :: String.t(), stderr :: String.t(), non_neg_integer}
  def mix_apart(dir, home, args, env) do
    errors = Path.join(Run.dir("stderr"), "text")
    shell = ["sh", "-c", ~s(errors=$1; shift; exec "$@" 2>"$errors"), "sh", errors, "mix" | args]
    {output, status} = run(shell, dir, home, env, [])
    {output, File.read!(errors), status}
  end

  @doc """
  The same as `mix/4`, on a pseudo terminal (with util-linux' `script`) into which `input` is typed. If
  `input` is `{path, input}`, it is typed when the file `path` exists.
  """
  @spec mix_on_terminal(Path.t(), Path.t(), [String.t()], [{String.t(), String.t() | nil}], input) ::
          {String.t(), non_neg_integer}
        when input: String.t() | {Path.t(), String.t()}
  def mix_on_terminal(dir, home, args, env, input \\ "")

  def mix_on_terminal(dir, home, args, env, input) when is_binary(input),
    do: mix_on_terminal(dir, home, args, env, {dir, input})

  def mix_on_terminal(dir, home, args, env, {path, input}) do
    # Scripts run this VM in the background, for which a shell ignores Ctrl-C. That is inherited, and is
    # different in a user's shell.
    line = Enum.map_join(["env", "--default-signal=INT", "mix" | args], " ", &"'#{&1}'")
    env = [{"TERM", "xterm"}, {"SHELL", "/bin/sh"} | env]
    type = ~s({ until [ -e "$3" ]; do sleep 0.1; done; printf %s "$1"; })
    shell = type <> ~s( | script -qefc "$2" /dev/null)
    run(["sh", "-c", shell, "sh", input, line, path], dir, home, env, stderr_to_stdout: true)
  end

  @doc "A mark, and the environment that gives it to a command, for `vm/1`."
  @spec mark() :: {String.t(), %{String.t() => String.t()}}
  def mark do
    mark = "mark_#{System.pid()}_#{System.unique_integer([:positive])}"
    {mark, %{"HOTPUSH_TEST_MARK" => mark}}
  end

  @doc "The OS process of the VM of the command that has this mark."
  @spec vm(String.t()) :: String.t()
  def vm(mark) do
    [pid] =
      for path <- Path.wildcard("/proc/[0-9]*/environ"),
          {:ok, environ} <- [File.read(path)],
          environ =~ "HOTPUSH_TEST_MARK=" <> mark <> <<0>>,
          dir = Path.dirname(path),
          {:ok, "beam" <> _} <- [File.read(Path.join(dir, "comm"))],
          do: Path.basename(dir)

    pid
  end

  defp run(command, dir, home, env, options) do
    {sh, args} = Leash.wrap("timeout", ["-s", "KILL", "#{@seconds}" | command])
    System.cmd(sh, args, [cd: dir, env: environment(home) ++ env] ++ options)
  end

  @doc "The environment of a command whose HOME is `home`, as changes to that of this VM."
  @spec environment(Path.t()) :: [{String.t(), String.t() | nil}]
  def environment(home) do
    Run.clean_env() ++
      [
        {"HOME", home},
        {"CARGO_HOME", own("CARGO_HOME", ".cargo")},
        {"RUSTUP_HOME", own("RUSTUP_HOME", ".rustup")},
        {"XDG_CONFIG_HOME", nil},
        {"XDG_CACHE_HOME", nil},
        {"XDG_STATE_HOME", nil},
        {"XDG_RUNTIME_DIR", nil},
        {"MIX_ENV", "dev"},
        {"ERL_AFLAGS", Enum.join(Run.idle(), " ")},
        {"TERM", "dumb"},
        {"LANG", "C.UTF-8"},
        {"LC_ALL", "C.UTF-8"}
      ]
  end

  defp own(variable, folder) do
    System.get_env(variable) || Path.join(System.user_home!(), folder)
  end
end
