defmodule Hotpush.Test.Link.Connection do
  @moduledoc """
  One connection of a link: a process that stamps what arrives, and for each
  direction a writer that delivers it when it is due.
  """

  alias Hotpush.Test.Link.Writer

  @doc """
  Starts the process that will carry `host`'s connection to the device at `to`.

  It waits for `:go`, which is sent when it owns the socket.
  """
  @spec start(:gen_tcp.socket(), Hotpush.Test.Link.address(), Hotpush.Test.Link.t(), tuple | nil) ::
          pid
  def start(host, to, link, cut) do
    accepted = now()

    spawn_link(fn ->
      receive do
        :go -> connect(host, to, link, cut, accepted)
      end
    end)
  end

  defp connect(host, {ip, port}, link, cut, accepted) do
    options = [:binary, active: false, nodelay: true, exit_on_close: false]

    with {:ok, device} <- :gen_tcp.connect(ip, port, options, 5_000) do
      half = link.rtt * 500
      handshake = accepted + 2 * half

      ways = %{
        host => way(:to_device, device, link, 1, half, handshake),
        device => way(:to_host, host, link, 2, half, accepted)
      }

      Enum.each(ways, fn {socket, _way} -> :ok = :inet.setopts(socket, active: true) end)
      carry(arm(ways, cut), 2)
    end
  end

  defp way(direction, socket, link, counter, half, not_before) do
    writer = Writer.start(socket, &:counters.add(link.counters, counter, &1))
    %{direction: direction, writer: writer, half: half, not_before: not_before, left: :infinity}
  end

  defp carry(_ways, 0), do: :ok

  defp carry(ways, open) do
    receive do
      {:tcp, socket, bytes} ->
        carry(Map.update!(ways, socket, &pass(&1, bytes)), open)

      {closed, socket} when closed == :tcp_closed ->
        send(ways[socket].writer, {:close, due(ways[socket])})
        carry(ways, open)

      {:tcp_error, _socket, _reason} ->
        carry(ways, open)

      {:closed, _writer} ->
        carry(ways, open - 1)

      {:cut_after, direction, bytes} ->
        carry(arm(ways, {direction, bytes}), open)

      order when order in [:stall, :resume] ->
        Enum.each(ways, fn {_socket, way} -> send(way.writer, order) end)
        carry(if(order == :resume, do: arm(ways, {:none, 0}), else: ways), open)
    end
  end

  defp arm(ways, nil), do: ways

  defp arm(ways, {direction, bytes}) do
    Map.new(ways, fn {socket, way} ->
      {socket, %{way | left: if(way.direction == direction, do: bytes, else: :infinity)}}
    end)
  end

  defp pass(%{left: left} = way, bytes) when byte_size(bytes) < left do
    send(way.writer, {:write, due(way), bytes})
    if left == :infinity, do: way, else: %{way | left: left - byte_size(bytes)}
  end

  defp pass(%{left: left} = way, bytes) do
    send(way.writer, {:write, due(way), binary_part(bytes, 0, left)})
    send(way.writer, {:cut, due(way)})
    %{way | left: 0}
  end

  defp due(way), do: max(now(), way.not_before) + way.half

  defp now, do: System.monotonic_time(:microsecond)
end
