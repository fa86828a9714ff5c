defmodule Hotpush.Transport.Dist.Speaker do
  @moduledoc """
  Says on a host's behalf what a program on a device waits for, and in between every second that the
  host is there. Sending waits while a link is stalled; whoever has a deadline leaves that to it.
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

  @doc "Falls silent."
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

    # A connection that is lost is not made anew by this.
    if message && :erlang.send(pid, message, [:noconnect]) == :ok, do: loop(pid, tag)
  end
end
