defmodule Hotpush.Adb.Command do
  @moduledoc """
  Runs the system's `adb`, as the developer has it: its server, its keys, its environment.

  adb waits for ever for a device that hangs. What takes longer than it may is killed.
  """

  alias Hotpush.Error

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

  defp spawn_adb(arguments, timeout) do
    case System.find_executable("adb") do
      nil ->
        {:error, :adb_missing}

      adb ->
        options = [:binary, :exit_status, :stderr_to_stdout, :hide, args: arguments]
        port = Port.open({:spawn_executable, adb}, options)
        collect(port, "", System.monotonic_time(:millisecond) + timeout, timeout)
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
    with {:os_pid, pid} <- Port.info(port, :os_pid), do: System.cmd("kill", ["-KILL", "#{pid}"])
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
