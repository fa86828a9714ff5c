defmodule Hotpush.Transport.Ssh.Client do
  @moduledoc """
  The system's `ssh` as an OS process, whose output comes to the process that opened it. It cannot
  outlive this VM.
  """

  alias Hotpush.Transport.ChildEnv
  alias Hotpush.Transport.Ssh.Command

  # What is read of ssh's own words; it can write 2 MB, and is ended by its system then.
  @log_limit 64 * 1024
  @script ~S(ulimit -f 4096; exec ssh "$@" 2>"$0")

  # ssh outlives the program that reads from it. What waits for a word here and does not get it,
  # since this VM has ended in whatever way, ends it; and it takes away what ssh has written.
  @guard ~S(read -r word; [ "$word" = ended ] || kill -KILL "$0" 2>/dev/null; rm -f "$1")

  defstruct [:port, :guard, :log]

  @type t :: %__MODULE__{port: port(), guard: port() | nil, log: Path.t()}

  @doc """
  Starts it. What it says of itself goes to the file `log`, apart from what the device says, which
  comes as `{port, {:data, bytes}}`, and at last `{port, {:exit_status, status}}`.
  """
  @spec open(Command.t(), Path.t()) :: t()
  def open(%Command{arguments: arguments, env: env}, log) do
    File.mkdir_p(Path.dirname(log))
    env = for {name, value} <- env, do: {to_charlist(name), to_charlist(value)}
    port = sh([@script, log | arguments], env, [:exit_status, :hide])
    %__MODULE__{port: port, guard: guard(port, log), log: log}
  end

  # It may have ended already.
  defp guard(port, log) do
    with {:os_pid, os_pid} <- Port.info(port, :os_pid),
         do: sh([@guard, to_string(os_pid), log], [], [])
  end

  defp sh(args, env, options) do
    sh = System.find_executable("sh")
    options = [:binary, args: ["-c" | args], env: ChildEnv.port_env() ++ env] ++ options
    Port.open({:spawn_executable, sh}, options)
  end

  @doc """
  What `ssh -G` prints of a host: the developer's own config as it counts for it. `address` as in
  `Command.new/3`. Offers nothing to anybody.
  """
  @spec settled(Hotpush.Config.Address.ssh(), String.t() | nil) :: String.t()
  def settled(ssh, address \\ nil) do
    options = [stderr_to_stdout: true, env: ChildEnv.env()]

    with program when is_binary(program) <- System.find_executable("ssh"),
         {output, 0} <- System.cmd(program, Command.asking(ssh, address), options) do
      output
    else
      _ -> ""
    end
  end

  @doc "Writes to its input, if it is still there."
  @spec write(t(), iodata()) :: :ok
  def write(%__MODULE__{port: port}, lines) do
    Port.command(port, lines)
    :ok
  rescue
    # Closed already: its exit status is on the way.
    ArgumentError -> :ok
  end

  @doc "To be called when its exit status came: its process number may be somebody else's then."
  @spec ended(t()) :: :ok
  def ended(%__MODULE__{guard: guard}) do
    if is_port(guard), do: Port.command(guard, "ended\n")
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "What it has said of itself."
  @spec words(t()) :: String.t()
  def words(%__MODULE__{log: log}) do
    case File.open(log, [:read, :binary], &IO.binread(&1, @log_limit)) do
      {:ok, text} when is_binary(text) -> text
      _ -> ""
    end
  end

  @doc "Forgets what it has said. It ends with the process that opened it, if it has not yet."
  @spec forget(t()) :: :ok
  def forget(%__MODULE__{log: log}) do
    File.rm(log)
    :ok
  end
end
