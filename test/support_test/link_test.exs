defmodule Hotpush.Test.LinkTest do
  @moduledoc "Links that are slow, stalled or cut. Without it, tests of faults could meet none."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Link, Until}

  setup context do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> echo(listener) end)
    to = {{127, 0, 0, 1}, port}
    {:ok, link: Link.start(listen: {{127, 0, 0, 2}, 0}, to: to, rtt: context[:rtt] || 0)}
  end

  defp echo(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    pid = spawn(fn -> receive(do: (:go -> echo_all(socket))) end)
    :ok = :gen_tcp.controlling_process(socket, pid)
    send(pid, :go)
    echo(listener)
  end

  defp echo_all(socket) do
    with {:ok, bytes} <- :gen_tcp.recv(socket, 0) do
      :gen_tcp.send(socket, bytes)
      echo_all(socket)
    end
  end

  defp connect(link) do
    {ip, port} = link.listen
    :gen_tcp.connect(ip, port, [:binary, active: false, nodelay: true], 1_000)
  end

  defp connect!(link) do
    {:ok, socket} = connect(link)
    socket
  end

  defp round_trip(socket, bytes, timeout \\ 5_000) do
    :ok = :gen_tcp.send(socket, bytes)
    :gen_tcp.recv(socket, byte_size(bytes), timeout)
  end

  defp ms(fun), do: div(elem(:timer.tc(fun), 0), 1000)

  @tag rtt: 40
  test "delays each round trip, and the first by the handshake's too", %{link: link} do
    socket = connect!(link)
    assert ms(fn -> {:ok, "a"} = round_trip(socket, "a") end) in 79..2000
    assert ms(fn -> {:ok, "b"} = round_trip(socket, "b") end) in 39..2000
  end

  # Each of the chunks that the megabytes arrive in would cost a round trip.
  @tag rtt: 100
  test "delays bytes, not throughput", %{link: link} do
    socket = connect!(link)
    {:ok, "a"} = round_trip(socket, "a")
    megabytes = :binary.copy("0123456789abcdef", 250_000)
    sender = Task.async(fn -> for _ <- 1..20, do: :gen_tcp.send(socket, "x") end)
    Task.await(sender)
    {:ok, _} = :gen_tcp.recv(socket, 20)
    assert ms(fn -> {:ok, ^megabytes} = round_trip(socket, megabytes) end) in 99..3000
  end

  test "counts bytes and connections, and forgets them", %{link: link} do
    socket = connect!(link)
    {:ok, _} = round_trip(socket, :binary.copy("x", 1234))
    assert Link.bytes(link) == {1234, 1234}
    assert Link.connections(link) == 1
    Link.reset(link)
    assert Link.bytes(link) == {0, 0}
  end

  test "cut drops what is open and takes what is new", %{link: link} do
    socket = connect!(link)
    {:ok, "a"} = round_trip(socket, "a")
    Link.cut(link)
    assert {:error, :closed} = :gen_tcp.recv(socket, 1, 5_000)
    assert {:ok, "b"} = round_trip(connect!(link), "b")
  end

  test "cut_after cuts at the very byte", %{link: link} do
    Link.cut_after(link, :to_device, 3)
    socket = connect!(link)
    :ok = :gen_tcp.send(socket, "12345")
    assert {:error, :closed} = :gen_tcp.recv(socket, 5, 5_000)
    Until.until("three bytes to be counted", fn -> elem(Link.bytes(link), 0) == 3 end)
    Link.resume(link)
    assert {:ok, "12345"} = round_trip(connect!(link), "12345")
  end

  test "stall holds bytes and keeps the connection", %{link: link} do
    socket = connect!(link)
    {:ok, "a"} = round_trip(socket, "a")
    Link.stall(link)
    assert {:error, :timeout} = round_trip(socket, "b", 50)
    Link.resume(link)
    assert {:ok, "b"} = :gen_tcp.recv(socket, 1, 5_000)
  end

  test "refuse takes no new connection and keeps the old", %{link: link} do
    socket = connect!(link)
    {:ok, "a"} = round_trip(socket, "a")
    Link.refuse(link)
    assert {:error, :econnrefused} = connect(link)
    assert {:ok, "b"} = round_trip(socket, "b")
    Link.resume(link)
    assert {:ok, "c"} = round_trip(connect!(link), "c")
  end

  test "an end that closes closes the other", %{link: link} do
    socket = connect!(link)
    {:ok, "a"} = round_trip(socket, "a")
    :ok = :gen_tcp.shutdown(socket, :write)
    assert {:error, :closed} = :gen_tcp.recv(socket, 1, 5_000)
  end
end
