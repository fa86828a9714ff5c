defmodule Hotpush.Test.Leash do
  @moduledoc """
  Runs a command in an OS process that cannot outlive the process that started it.

  A small shell script runs the command and reads its own standard input: a line
  or the end of the input (also when this VM is killed with -9) kills the command
  and every process of its session.
  """

  @script """
  exec 3<&0
  setsid "$@" </dev/null 3<&- &
  pid=$!
  trap '' TERM INT HUP
  (
    read -r _ <&3
    # Just after the start, the command may not yet have a session of its own.
    until kill -s KILL -- "-$pid" || ! kill -s 0 "$pid"; do sleep 0.01; done
  ) >/dev/null 2>&1 &
  watch=$!
  exec 3<&-
  wait "$pid" 2>/dev/null
  code=$?
  kill -s KILL "$watch" 2>/dev/null
  exit "$code"
  """

  @doc "The command line, executable first, that runs `command` with `args` on a leash."
  @spec wrap(String.t(), [String.t()]) :: {String.t(), [String.t()]}
  def wrap(command, args), do: {sh(), ["-c", @script, "leash", command | args]}

  @doc """
  Opens a port on the leashed command, whose output goes to the file `log`.

  The owner gets `{port, {:exit_status, code}}` when it has ended.
  """
  @spec open(String.t(), [String.t()], Path.t(), [{String.t(), String.t() | nil}]) :: port
  def open(command, args, log, env) do
    {sh, args} =
      wrap(sh(), ["-c", ~s(log=$1; shift; exec "$@" >>"$log" 2>&1), "-", log, command | args])

    Port.open({:spawn_executable, sh}, [:exit_status, :binary, args: args, env: env_chars(env)])
  end

  @doc "Kills the command of `port` and waits until it is gone. Only the port's owner may."
  @spec kill(port) :: :ok
  def kill(port) do
    # If the command has just ended by itself, the port may already be closed.
    monitor = Port.monitor(port)
    send(port, {self(), {:command, "kill\n"}})

    receive do
      {^port, {:exit_status, _code}} -> Port.demonitor(monitor, [:flush]) && :ok
      {:DOWN, ^monitor, :port, _, _} -> :ok
    after
      10_000 -> raise "a leashed process would not die: #{inspect(Port.info(port))}"
    end
  end

  @doc "The form in which `Port.open/2` takes environment variables; `nil` unsets one."
  @spec env_chars([{String.t(), String.t() | nil}]) :: [{charlist(), charlist() | false}]
  def env_chars(env) do
    for {name, value} <- env do
      {String.to_charlist(name), if(value, do: String.to_charlist(value), else: false)}
    end
  end

  defp sh, do: System.find_executable("sh") || raise("no sh in PATH")
end
