defmodule Hotpush.Transport.Dist.Speaker do
  @moduledoc """
  Sends messages to a program on a device for the host, and tells it every second that the host is there.
  Sending blocks while a link is stalled, so callers with a deadline leave it to this process.
  """

  @alive_ms 1_000

  @doc "Starts one for the program `pid`, which knows the host by `tag`. It ends with the caller."
  @spec start(pid(), reference()) :: pid()
  def start(pid, tag) do
    owner = self()

    say = fn ->
      Process.monitor(owner)
      loop(pid, tag)
    end

    {:ok, speaker} = DynamicSupervisor.start_child(Hotpush.Lines, {Task, say})
    speaker
  end

  @doc "Sends a tuple, with the tag as its first element."
  @spec say(pid(), tuple()) :: :ok
  def say(speaker, message) do
    send(speaker, {:say, message})
    :ok
  end

  @doc "Stops sending."
  @spec stop(pid()) :: true
  def stop(speaker), do: Process.exit(speaker, :shutdown)

  defp loop(pid, tag) do
    message =
      receive do
        {:say, message} -> Tuple.insert_at(message, 0, tag)
        {:DOWN, _, :process, _, _} -> nil
      after
        @alive_ms -> {tag, :alive}
      end

    # This does not connect again if the connection is lost.
    if message && :erlang.send(pid, message, [:noconnect]) == :ok, do: loop(pid, tag)
  end
end
