defmodule Hotpush.Transport.Adb.Command do
  @moduledoc """
  Runs the system's `adb`, as the developer has it: its server, its keys, its environment.

  adb waits for ever for a device that hangs. What takes longer than it may is killed.
  """

  alias Hotpush.Error
  alias Hotpush.Transport.ChildEnv

  @doc """
  What `adb` said, standard error within it, where its exit status was 0.

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
  As `run/3`, without standard error: what its server, its libraries or a wrapper of it say there is
  none of the answer. Only for what may be asked twice: where it fails, it is asked again for why.
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

  # By sh, which becomes adb, so that its standard error can go elsewhere.
  defp spawn_adb(arguments, timeout, to \\ "2>&1") do
    case {System.find_executable("adb"), System.find_executable("sh")} do
      {adb, sh} when adb != nil and sh != nil ->
        arguments = ["-c", ~s(exec "$0" "$@" #{to}), adb | arguments]
        # Its server goes on when this VM has ended.
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

    # Nobody reads what it still says.
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

  # Its last line says why; those before it are about its server.
  defp said(output) do
    output
    |> String.split("\n", trim: true)
    |> List.last("nothing")
    |> String.replace(~r/\A(adb: )?error: /, "")
  end
end
