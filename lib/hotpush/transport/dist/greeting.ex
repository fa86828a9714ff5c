defmodule Hotpush.Transport.Dist.Greeting do
  @moduledoc """
  The distribution handshake by hand. Its first half gives a node's full name, before any cookie is used;
  the whole handshake shows whether the node accepts a cookie, which is never shown.
  """

  # What a node of OTP 25 and later requires of another; the names are those of the handshake's
  # documentation in ERTS: the mandatory flags of OTP 25 and 26, and HANDSHAKE_23.
  @flags Enum.reduce(
           [0x4, 0x10, 0x80, 0x100, 0x200, 0x400, 0x800, 0x10000, 0x20000, 0x40000] ++
             [0x1000000, 0x2000000, 0x400000000, 0x1000000000],
           0,
           &Bitwise.bor/2
         )

  # Always the same names, since the other node makes an atom of each.
  @name "hotpush_greeting@127.0.0.1"
  @longer "hotpush_greeting_for_the_second_time_at_some_length@127.0.0.1"

  # How long to watch a node that asked for proof before it gets one: a link that is cut right after the
  # question is not an answer to the proof.
  @look_ms 400

  # The first bytes of a TLS alert record (RFC 5246, 6.2.1), with which TLS answers this handshake.
  @alert <<21, 3>>

  @doc """
  The name of the node that listens there, or `:tls` if it requires TLS. `timeout` is in milliseconds, for
  each of its two answers.
  """
  @spec name(:inet.ip_address(), :inet.port_number(), pos_integer()) ::
          {:ok, node()} | :tls | :error
  def name(address, port, timeout) do
    case connect(address, port, timeout) do
      {:ok, {:gen_tcp, socket} = wire} ->
        answer = greet(wire, timeout)
        :gen_tcp.close(socket)
        answer

      {:error, _} ->
        :error
    end
  end

  @doc "A connection without TLS."
  @spec connect(:inet.ip_address(), :inet.port_number(), pos_integer()) ::
          {:ok, wire()} | {:error, term()}
  def connect(address, port, timeout) do
    with {:ok, socket} <- :gen_tcp.connect(address, port, [:binary, active: false], timeout),
         do: {:ok, {:gen_tcp, socket}}
  end

  @typedoc "The module that reads and writes, `:gen_tcp` or `:ssl`, and its socket."
  @type wire :: {module(), term()}

  @doc """
  Whether a node twice hangs up right after the cookie's proof, and at no other point of the handshake.
  `connect` makes a connection to it. The second handshake is longer, so that a link that is cut after a
  certain number of bytes is cut at another point.
  """
  @spec refuses?((() -> {:ok, wire()} | {:error, term()}), atom(), pos_integer()) :: boolean()
  def refuses?(connect, cookie, timeout) do
    Enum.all?([@name, @longer], fn name ->
      with {:ok, {module, socket} = wire} <- connect.() do
        answer = prove(wire, name, cookie, timeout)
        apply(module, :close, [socket])
        answer == :hung_up
      else
        _ -> false
      end
    end)
  end

  defp prove({module, socket} = wire, name, cookie, timeout) do
    with {:ok, challenge, _name} <- challenge(wire, name, timeout),
         {:error, :timeout} <- apply(module, :recv, [socket, 1, @look_ms]),
         digest = :erlang.md5([Atom.to_string(cookie), Integer.to_string(challenge)]),
         :ok <- send_packet(wire, <<?r, 0::32, digest::binary>>) do
      # One byte is enough: a node that refuses sends nothing, and a link may be cut within the answer.
      case apply(module, :recv, [socket, 1, timeout]) do
        {:error, :closed} -> :hung_up
        _ -> :other
      end
    else
      _ -> :other
    end
  end

  defp greet(wire, timeout) do
    with {:ok, _challenge, rest} <- challenge(wire, @name, timeout),
         <<size::16, rest::binary>> <- rest,
         {:ok, name} when byte_size(name) <= 255 <- part(rest, size),
         true <- name =~ ~r/\A[0-9A-Za-z_\-]+@[^@\s\/]+\z/ do
      {:ok, String.to_atom(name)}
    else
      :tls -> :tls
      _ -> :error
    end
  end

  # The node's challenge, and its name in it.
  defp challenge(wire, name, timeout) do
    hello = <<?N, @flags::64, 0::32, byte_size(name)::16, name::binary>>

    with :ok <- send_packet(wire, hello),
         {:ok, <<?s, "ok", _::binary>>} <- packet(wire, timeout),
         {:ok, <<?N, _flags::64, challenge::32, _creation::32, name::binary>>} <-
           packet(wire, timeout),
         do: {:ok, challenge, name}
  end

  defp send_packet({module, socket} = wire, packet),
    do: apply(module, :send, [socket, [prefix(wire, byte_size(packet)), packet]])

  defp packet({module, socket} = wire, timeout) do
    case apply(module, :recv, [socket, byte_size(prefix(wire, 0)), timeout]) do
      {:ok, @alert} ->
        :tls

      {:ok, length} ->
        size = :binary.decode_unsigned(length)
        if size in 1..0xFFFF, do: apply(module, :recv, [socket, size, timeout]), else: :error

      _ ->
        :error
    end
  end

  # inet_tls_dist has {packet, 4} from the start.
  defp prefix({:gen_tcp, _}, size), do: <<size::16>>
  defp prefix({:ssl, _}, size), do: <<size::32>>

  defp part(rest, size) when byte_size(rest) >= size, do: {:ok, binary_part(rest, 0, size)}
  defp part(_rest, _size), do: :error
end
