defmodule Hotpush.Transport.Adb.Command do
  @moduledoc """
  Runs the system's `adb` with the developer's server, keys and environment.

  adb waits forever for a device that hangs, so it is killed if it takes too long.
  """

  alias Hotpush.Error
  alias Hotpush.Transport.ChildEnv

  @doc """
  Returns the output of `adb`, including standard error, if its exit status is 0.

  `timeout` is in milliseconds. Errors are about `subject`.
  """
  @spec run([String.t()], term(), pos_integer()) :: {:ok, String.t()} | {:error, Error.t()}
  def run(arguments, subject, timeout) do
    with {:ok, output, status} <- spawn_adb(arguments, timeout) do
      if status == 0, do: {:ok, output}, else: {:error, {:adb_failed, said(output)}}
    end
    |> case do
      {:error, reason} -> {:error, Error.new(:connect, subject, reason)}
      ok -> ok
    end
  end

  @doc """
  The same as `run/3`, without standard error: messages of adb's server, its libraries or a wrapper are
  not part of the answer. Use it only for what may run twice: after a failure, it runs again to get the
  reason.
  """
  @spec read([String.t()], term(), pos_integer()) :: {:ok, String.t()} | {:error, Error.t()}
  def read(arguments, subject, timeout) do
    with {:ok, output, 0} <- spawn_adb(arguments, timeout, "2>/dev/null") do
      {:ok, output}
    else
      {:ok, _output, _status} -> run(arguments, subject, timeout)
      {:error, reason} -> {:error, Error.new(:connect, subject, reason)}
    end
  end

  # Run by sh, which becomes adb, so that standard error can be redirected.
  defp spawn_adb(arguments, timeout, to \\ "2>&1") do
    case {System.find_executable("adb"), System.find_executable("sh")} do
      {adb, sh} when adb != nil and sh != nil ->
        arguments = ["-c", ~s(exec "$0" "$@" #{to}), adb | arguments]
        # adb's server keeps running after this VM has ended.
        env = ChildEnv.port_env()
        options = [:binary, :exit_status, :hide, args: arguments, env: env]
        port = Port.open({:spawn_executable, sh}, options)
        collect(port, "", System.monotonic_time(:millisecond) + timeout, timeout)

      _ ->
        {:error, :adb_missing}
    end
  end

  defp collect(port, output, deadline, timeout) do
    receive do
      {^port, {:data, data}} -> collect(port, output <> data, deadline, timeout)
      {^port, {:exit_status, status}} -> {:ok, output, status}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        kill(port)
        {:error, {:adb_timeout, timeout}}
    end
  end

  defp kill(port) do
    with {:os_pid, pid} <- Port.info(port, :os_pid),
         do: System.cmd("kill", ["-KILL", "#{pid}"], env: ChildEnv.env())

    # Nobody reads its further output.
    close(port)
    flush(port)
  end

  defp close(port) do
    Port.close(port)
  rescue
    # It closes by itself when the program has ended.
    ArgumentError -> true
  end

  defp flush(port) do
    receive do
      {^port, _} -> flush(port)
    after
      0 -> :ok
    end
  end

  # The last line has the reason; those before it are about adb's server.
  defp said(output) do
    output
    |> String.split("\n", trim: true)
    |> List.last("nothing")
    |> String.replace(~r/\A(adb: )?error: /, "")
  end
end
