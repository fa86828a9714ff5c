defmodule Hotpush.Test.Ports do
  @moduledoc """
  Ports that the system does not assign, so that a restarted device can listen on its own again.

  The system takes the port of each connection, and of each listener that asks for any, from
  `/proc/sys/net/ipv4/ip_local_port_range`, which begins at 32768. Once a
  port from this range is closed, another program may get it.
  """

  @lowest 10_000
  @highest 32_767

  @doc "A few ports, to try one after the other."
  @spec candidates() :: [:inet.port_number(), ...]
  def candidates, do: for(_ <- 1..20, do: Enum.random(@lowest..@highest))

  @doc "A port of 127.0.0.1 on which nothing listens."
  @spec free() :: :inet.port_number()
  def free do
    {:ok, socket} = first(candidates(), &:gen_tcp.listen(&1, ip: {127, 0, 0, 1}))
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "The range in which a node tries one port after the other, `{first, last}`."
  @spec range() :: {:inet.port_number(), :inet.port_number()}
  def range, do: {Enum.random(@lowest..(@highest - 100)), @highest}

  @doc "The result of `listen` for the first of `ports` that is free, or else for the last one."
  @spec first([:inet.port_number(), ...], (:inet.port_number() -> {:ok, value} | {:error, term})) ::
          {:ok, value} | {:error, term}
        when value: term
  def first([port | more], listen) do
    with {:error, _reason} when more != [] <- listen.(port), do: first(more, listen)
  end
end
