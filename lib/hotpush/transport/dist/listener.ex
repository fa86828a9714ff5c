defmodule Hotpush.Transport.Dist.Listener do
  @moduledoc """
  Starts a program on a device, and passes on its answers. The program knows this process as its host, so
  answers that come after the conversation has ended are dropped.
  """

  # How long (ms) to wait for a program to end by itself, before it is told that its host is gone.
  @grace 1_000

  @doc """
  Starts one. The caller gets `{tag, :started, pid}` or `{tag, :failed, reason}`, then `{tag, answer}`
  for each answer, and `{tag, :down, reason}` when the program has ended. It ends with the caller.
  """
  @spec start(node(), (pid(), reference() -> Hotpush.Protocol.Question.t()), reference()) :: pid()
  def start(node, question, tag) do
    owner = self()

    listen = fn ->
      Process.monitor(owner)
      {module, function, arguments} = question.(self(), tag)
      program = :erlang.spawn_request(node, module, function, arguments, [:monitor])
      listen(owner, program, tag)
    end

    {:ok, listener} = DynamicSupervisor.start_child(Hotpush.Lines, {Task, listen})
    listener
  end

  @doc "Ends it. The caller gets nothing more of it."
  @spec stop(pid(), reference()) :: :ok
  def stop(listener, tag) do
    monitor = Process.monitor(listener)
    send(listener, {tag, :stop, monitor})

    receive do
      {:stopped, ^monitor} -> Process.demonitor(monitor, [:flush])
      {:DOWN, ^monitor, :process, _, _} -> :ok
    end

    flush(tag)
  end

  defp flush(tag) do
    receive do
      {^tag, _} -> flush(tag)
      {^tag, _, _} -> flush(tag)
    after
      0 -> :ok
    end
  end

  defp listen(owner, program, tag) do
    receive do
      {^tag, answer} ->
        send(owner, {tag, answer})
        listen(owner, program, tag)

      {:spawn_reply, ^program, :ok, pid} ->
        send(owner, {tag, :started, pid})
        listen(owner, program, tag)

      {:spawn_reply, ^program, :error, reason} ->
        send(owner, {tag, :failed, reason})

      {:DOWN, ^program, :process, _, reason} ->
        send(owner, {tag, :down, reason})

      {^tag, :stop, monitor} ->
        send(owner, {:stopped, monitor})
        ending(program)

      {:DOWN, _, :process, ^owner, _} ->
        :ok
    end
  end

  defp ending(program) do
    receive do
      {:DOWN, ^program, :process, _, _} -> :ok
    after
      @grace -> :ok
    end
  end
end
