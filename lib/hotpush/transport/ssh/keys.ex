defmodule Hotpush.Transport.Ssh.Keys do
  @moduledoc """
  The file with the only keys that a host may have, which exists while ssh connects.
  """

  alias Hotpush.Error
  alias Hotpush.Transport.Ssh.Command

  @doc """
  Calls `fun` with the path of such a file, and removes the file afterwards. The path is `nil` if every
  key that the developer's own ssh accepts will do. Errors are about `subject`.
  """
  @spec lend([String.t()] | nil, Path.t(), String.t(), (Path.t() | nil -> answer)) ::
          answer | {:error, Error.t()}
        when answer: term()
  def lend(none, _path, _subject, fun) when none in [nil, []], do: fun.(nil)

  def lend(keys, path, subject, fun) do
    remover = remover(path)

    try do
      with :ok <- File.mkdir_p(Path.dirname(path)),
           :ok <- File.write(path, Command.known_hosts(keys)) do
        fun.(path)
      else
        {:error, reason} ->
          {:error, Error.new(:connect, subject, {:keys_not_written, path, reason})}
      end
    after
      File.rm(path)
      Process.exit(remover, :shutdown)
    end
  end

  # The connecting process may be killed at any time.
  defp remover(path) do
    caller = self()

    remove = fn ->
      monitor = Process.monitor(caller)

      receive do
        {:DOWN, ^monitor, _, _, _} -> File.rm(path)
      end
    end

    {:ok, remover} = DynamicSupervisor.start_child(Hotpush.Lines, {Task, remove})
    remover
  end
end
