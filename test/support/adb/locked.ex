defmodule Hotpush.Test.Adb.Locked do
  @moduledoc """
  A phone whose owner never answers "Allow USB debugging?": the first messages of adbd's protocol
  (adb's protocol.txt), spoken to a real adb server, which then calls it unauthorized.
  """

  @auth "AUTH"
  @token 1
  @public_key 3

  @doc "Starts one, which ends with the calling process. Answers its address for `adb connect`."
  @spec start() :: String.t()
  def start do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> accept(listener) end)
    "127.0.0.1:#{port}"
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    pid = spawn(fn -> receive(do: (:yours -> answer(socket))) end)
    :gen_tcp.controlling_process(socket, pid)
    send(pid, :yours)
    accept(listener)
  end

  # It answers everything with a demand for proof. Only a new key waits for the owner's answer.
  defp answer(socket) do
    with {:ok, <<_command::32, argument::little-32, _::32, size::little-32, _::64>>} <-
           :gen_tcp.recv(socket, 24),
         {:ok, _} <- if(size > 0, do: :gen_tcp.recv(socket, size), else: {:ok, ""}) do
      if argument != @public_key,
        do: :gen_tcp.send(socket, message(@auth, @token, :rand.bytes(20)))

      answer(socket)
    end
  end

  defp message(<<command::little-32>> = name, argument, data) do
    sum = for <<byte <- data>>, reduce: 0, do: (sum -> sum + byte)

    <<name::binary, argument::little-32, 0::32, byte_size(data)::little-32, sum::little-32,
      Bitwise.bxor(command, 0xFFFFFFFF)::little-32, data::binary>>
  end
end
