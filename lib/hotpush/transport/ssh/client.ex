defmodule Hotpush.Transport.Ssh.Client do
  @moduledoc """
  The system's `ssh` as an OS process, whose output comes to the process that opened it. It cannot
  outlive this VM.
  """

  alias Hotpush.Transport.ChildEnv
  alias Hotpush.Transport.Ssh.Command

  # How much of ssh's own messages is read. ssh can write 2 MB; then the system ends it.
  @log_limit 64 * 1024
  @script ~S(ulimit -f 4096; exec ssh "$@" 2>"$0")

  # ssh outlives the program that reads from it. So this shell waits for a word from the VM. If none
  # can come any more, because the VM has ended in any way, it kills ssh and removes its log.
  @guard ~S(read -r word; [ "$word" = ended ] || kill -KILL "$0" 2>/dev/null; rm -f "$1")

  defstruct [:port, :guard, :log]

  @type t :: %__MODULE__{port: port(), guard: port() | nil, log: Path.t()}

  @doc """
  Starts it. Its own messages go to the file `log`. The device's output comes as
  `{port, {:data, bytes}}`, and at the end comes `{port, {:exit_status, status}}`.
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
  What `ssh -G` prints about a host: the developer's own config for it. `address` is as in
  `Command.new/3`. This connects to nothing.
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
    # It is already closed, and its exit status is on the way.
    ArgumentError -> :ok
  end

  @doc "Call this after its exit status came: its process number may then belong to another process."
  @spec ended(t()) :: :ok
  def ended(%__MODULE__{guard: guard}) do
    if is_port(guard), do: Port.command(guard, "ended\n")
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "Its own messages."
  @spec words(t()) :: String.t()
  def words(%__MODULE__{log: log}) do
    case File.open(log, [:read, :binary], &IO.binread(&1, @log_limit)) do
      {:ok, text} when is_binary(text) -> text
      _ -> ""
    end
  end

  @doc "Removes its messages. If it is still running, it ends with the process that opened it."
  @spec forget(t()) :: :ok
  def forget(%__MODULE__{log: log}) do
    File.rm(log)
    :ok
  end
end
