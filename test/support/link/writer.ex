defmodule Hotpush.Test.Link.Writer do
  @moduledoc "Delivers the bytes of one direction of a connection in order, each when it is due."

  @doc "Starts a writer to `socket`; `count` is called with the bytes of each delivery."
  @spec start(:gen_tcp.socket(), (non_neg_integer -> term)) :: pid
  def start(socket, count) do
    connection = self()
    spawn_link(fn -> loop(%{socket: socket, count: count, connection: connection}) end)
  end

  defp loop(state) do
    receive do
      :stall ->
        stalled()
        loop(state)

      {:write, due, bytes} ->
        wait(due)
        state.count.(byte_size(bytes))
        _ = :gen_tcp.send(state.socket, bytes)
        loop(state)

      {:close, due} ->
        wait(due)
        _ = :gen_tcp.shutdown(state.socket, :write)
        send(state.connection, {:closed, self()})
        receive do: (:never -> :ok)

      {:cut, due} ->
        wait(due)
        exit(:cut)

      :resume ->
        loop(state)
    end
  end

  defp stalled do
    receive do
      :resume -> :ok
    end
  end

  # A timer of N ms fires after N to N + 1 ms, so this does not wait for the last bit.
  defp wait(due) do
    left = due - System.monotonic_time(:microsecond)

    if left > 300 do
      receive do
        :stall -> stalled()
      after
        max(div(left, 1000), 1) -> :ok
      end

      wait(due)
    end
  end
end
