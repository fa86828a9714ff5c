defmodule Hotpush.Transport.Adb.Forward do
  @moduledoc "Reads what adb and the kernels at both ends say about ports."

  @type port_number :: :inet.port_number()

  @doc """
  Where the device's `from` leads to, according to the output of `adb reverse --list`.

      iex> Hotpush.Transport.Adb.Forward.reversed("UsbFfs tcp:4369 tcp:4369\\n", "tcp:4369")
      "tcp:4369"
      iex> Hotpush.Transport.Adb.Forward.reversed("\\n", "tcp:4369")
      nil
  """
  @spec reversed(String.t(), String.t()) :: String.t() | nil
  def reversed(text, from) do
    Enum.find_value(tunnels(text), fn {_, known, to} -> if known == from, do: to end)
  end

  @doc """
  The device, and its port, to which this host's `from` leads, according to the output of
  `adb forward --list`.

      iex> Hotpush.Transport.Adb.Forward.forwarded("R5CT tcp:9100 tcp:9100\\n", "tcp:9100")
      {"R5CT", "tcp:9100"}
  """
  @spec forwarded(String.t(), String.t()) :: {String.t(), String.t()} | nil
  def forwarded(text, from) do
    Enum.find_value(tunnels(text), fn {whose, known, to} -> if known == from, do: {whose, to} end)
  end

  @doc """
  All tunnels in the output of either command: of which device, from where, to where.

      iex> Hotpush.Transport.Adb.Forward.tunnels("R5CT tcp:9100 tcp:9100\\nR5XX tcp:1 localabstract:x\\n")
      [{"R5CT", "tcp:9100", "tcp:9100"}, {"R5XX", "tcp:1", "localabstract:x"}]
  """
  @spec tunnels(String.t()) :: [{String.t(), String.t(), String.t()}]
  def tunnels(text) do
    for line <- String.split(text, ["\r\n", "\n"], trim: true),
        [_, whose, from, to] <- [Regex.run(~r/\A(.+) (\S+:\S+) (\S+:\S+)\z/, line)],
        do: {whose, from, to}
  end

  @doc "Whether nothing listens on a port of this host's loopback, so that a tunnel can begin there."
  @spec free?(port_number()) :: boolean()
  def free?(port) do
    case :gen_tcp.listen(port, ip: {127, 0, 0, 1}, reuseaddr: true) do
      {:ok, socket} -> :gen_tcp.close(socket) == :ok
      {:error, _} -> false
    end
  end

  @doc """
  The TCP ports on which something listens, from `/proc/net/tcp` and `/proc/net/tcp6`.

      iex> Hotpush.Transport.Adb.Forward.listening("  0: 0100007F:1A0B 00000000:0000 0A 00000000:0 00:0 0\\n")
      [6667]
      iex> Hotpush.Transport.Adb.Forward.listening("  1: 0100007F:1A0B 0100007F:8000 01 00000000:0 00:0 0\\n")
      []
  """
  @spec listening(String.t()) :: [port_number()]
  def listening(text) do
    # 0A is TCP_LISTEN (Linux, include/net/tcp_states.h).
    for [_, port] <-
          Regex.scan(~r/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /m, text),
        uniq: true,
        do: String.to_integer(port, 16)
  end
end
