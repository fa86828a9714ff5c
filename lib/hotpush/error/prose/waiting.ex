defmodule Hotpush.Error.Prose.Waiting do
  @moduledoc "The line that says what `--wait` is waiting for."

  alias Hotpush.Error
  alias Hotpush.Error.Prose.Refusal

  @doc """
  The line about a device, for which Hotpush waits up to `ms`.

      iex> error = Hotpush.Error.new(:connect, "porch", {:port_refused, %{}})
      iex> Hotpush.Error.Prose.Waiting.line("porch", error, 60_000)
      "Waiting up to 60 s for porch: its ssh port is closed"
  """
  @spec line(String.t(), Error.t(), pos_integer()) :: String.t()
  def line(name, error, ms),
    do: "Waiting up to #{div(ms, 1000)} s for #{name}: #{what(error.reason)}"

  defp what({:busy, who, seconds}),
    do: "it is busy with another push#{Refusal.by(who, seconds)}"

  defp what({:no_epmd, host, _, _}), do: "no epmd answers at #{host}"
  defp what({:not_registered, host, _}), do: "the epmd at #{host} does not know it"
  defp what({:port_closed, host, port, _}), do: "its port #{port} at #{host} is closed"
  defp what({:timeout, _}), do: "it does not complete the connection"
  defp what(:handshake_broken), do: "the connection breaks"
  defp what(:connection_lost), do: "the connection was lost"
  defp what({:adb_no_device, _, _}), do: "adb does not know it"
  defp what({:adb_state, state}), do: "it is #{state} for adb"
  defp what({:adb_timeout, _}), do: "adb does not answer"
  defp what(reason) when elem(reason, 0) == :unresolved, do: "its name does not resolve"
  defp what({:port_refused, _}), do: "its ssh port is closed"
  defp what({:no_route, _}), do: "there is no route to it"
  defp what({:no_answer, _}), do: "it does not answer"
  defp what({:hung_up, _}), do: "it hangs up"
  defp what(_adb), do: "its node is not registered"
end
