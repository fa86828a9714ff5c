defmodule Hotpush.Transport.Dist.Greeting do
  @moduledoc """
  A node's full name, from the first half of the distribution handshake: it tells its name before
  it asks for proof. No cookie is used, and none is shown.
  """

  # What a node of OTP 25 and later demands of another; the names are those of the handshake's
  # documentation in ERTS: the mandatory flags of OTP 25 and 26, and HANDSHAKE_23.
  @flags Enum.reduce(
           [0x4, 0x10, 0x80, 0x100, 0x200, 0x400, 0x800, 0x10000, 0x20000, 0x40000] ++
             [0x1000000, 0x2000000, 0x400000000, 0x1000000000],
           0,
           &Bitwise.bor/2
         )

  # Always one name, since the other node makes an atom of it.
  @name "hotpush_greeting@127.0.0.1"

  # The first bytes of a TLS alert record (RFC 5246, 6.2.1), which is what TLS says to a greeting.
  @alert <<21, 3>>

  @doc """
  The name of the node that listens there, or `:tls` where it wants TLS first. `timeout` is in
  milliseconds, for each of its two answers.
  """
  @spec name(:inet.ip_address(), :inet.port_number(), pos_integer()) ::
          {:ok, node()} | :tls | :error
  def name(address, port, timeout) do
    case :gen_tcp.connect(address, port, [:binary, active: false], timeout) do
      {:ok, socket} ->
        answer = greet(socket, timeout)
        :gen_tcp.close(socket)
        answer

      {:error, _} ->
        :error
    end
  end

  defp greet(socket, timeout) do
    hello = <<?N, @flags::64, 0::32, byte_size(@name)::16, @name::binary>>

    with :ok <- :gen_tcp.send(socket, [<<byte_size(hello)::16>>, hello]),
         {:ok, <<?s, "ok", _::binary>>} <- packet(socket, timeout),
         {:ok, <<?N, _flags::64, _challenge::32, _creation::32, size::16, rest::binary>>} <-
           packet(socket, timeout),
         {:ok, name} when byte_size(name) <= 255 <- part(rest, size),
         true <- name =~ ~r/\A[0-9A-Za-z_\-]+@[^@\s\/]+\z/ do
      {:ok, String.to_atom(name)}
    else
      :tls -> :tls
      _ -> :error
    end
  end

  defp packet(socket, timeout) do
    case :gen_tcp.recv(socket, 2, timeout) do
      {:ok, @alert} -> :tls
      {:ok, <<size::16>>} when size > 0 -> :gen_tcp.recv(socket, size, timeout)
      _ -> :error
    end
  end

  defp part(rest, size) when byte_size(rest) >= size, do: {:ok, binary_part(rest, 0, size)}
  defp part(_rest, _size), do: :error
end
