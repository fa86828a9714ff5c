defmodule Hotpush.Test.Project.Live do
  @moduledoc "A `mix` command that goes on, with an open standard input: `mix upload.hotswap --watch`."

  alias Hotpush.Test.{Leash, Project, Run, Until}
  alias Hotpush.Test.Project.Command

  defstruct [:port, :log, :input, :status]

  @type t :: %__MODULE__{port: port, log: Path.t(), input: Path.t()}

  @doc "Starts it. It ends with the process that has started it."
  @spec start(Project.t(), [String.t()], %{String.t() => String.t()}) :: t
  def start(project, args, env \\ %{}) do
    dir = Run.dir("live")
    input = Path.join(dir, "input")
    {_, 0} = System.cmd("mkfifo", [input])
    log = Path.join(dir, "log")
    File.touch!(log)
    # Opened for reading and writing, the input does not end when a test has written to it.
    script = ~s(cd "$1"; input=$2; shift 2; exec mix "$@" 0<>"$input")
    env = Command.environment(project.home) ++ Enum.to_list(env)
    port = Leash.open("sh", ["-c", script, "sh", project.dir, input | args], log, env)
    %__MODULE__{port: port, log: log, input: input}
  end

  @doc "All of its output so far, including standard error."
  @spec output(t) :: String.t()
  def output(live), do: File.read!(live.log)

  @doc "Waits until something new in the output matches, and returns all of the output."
  @spec wait(t, Regex.t(), pos_integer) :: String.t()
  def wait(live, pattern, times \\ 1) do
    there? = fn -> length(Regex.scan(pattern, output(live))) >= times end
    Until.until("#{inspect(pattern)} in the output", there?, 110_000)
    output(live)
  rescue
    error in RuntimeError -> raise Exception.message(error) <> ":\n" <> output(live)
  end

  @doc "Types a line."
  @spec type(t, String.t()) :: :ok
  def type(live, line), do: File.write!(live.input, line <> "\n")

  @doc "Waits for its end, and returns the exit status."
  @spec status(t) :: non_neg_integer
  def status(%__MODULE__{port: port}) do
    receive do
      {^port, {:exit_status, status}} -> status
    after
      110_000 -> raise "it does not end"
    end
  end
end
