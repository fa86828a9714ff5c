defmodule Hotpush.Transport.Ssh.Diagnosis do
  @moduledoc """
  Finds out from what `ssh` wrote why it did not reach an Elixir on the device. Pure.

  The phrases are those of OpenSSH, which are the same in every language.
  """

  alias Hotpush.Config.Address
  alias Hotpush.Transport.Ssh.Channel

  @phrases [
    {~r/REMOTE HOST IDENTIFICATION HAS CHANGED/, :host_key_changed},
    {~r/Host key verification failed|host key is known for/, :host_key_unknown},
    {~r/Could not resolve hostname/, :unresolved},
    {~r/Connection refused/, :port_refused},
    {~r/No route to host|Network is unreachable|Host is down/, :no_route},
    {~r/Connection timed out|Operation timed out|Connection to \S+ port \d+ timed out/,
     :no_answer},
    {~r/UNPROTECTED PRIVATE KEY FILE/, :key_open},
    {~r/Too many authentication failures/, :too_many_keys},
    {~r/Permission denied \([^)]*(password|keyboard-interactive)/, :password_needed},
    {~r/Permission denied|authentication methods/, :key_refused},
    {~r/Unable to negotiate|no matching /, :no_algorithm},
    {~r/exec request failed|^Prohibited/m, :exec_disabled},
    {~r/kex_exchange_identification|Connection reset|Connection closed by|banner exchange/,
     :hung_up}
  ]

  @doc "The reason, if ssh ended before the device's end answered."
  @spec of(Address.ssh(), Channel.ending()) :: term()
  def of(ssh, %{status: status} = ending) when is_integer(status) do
    output = String.trim(ending.output)

    cond do
      output != "" -> {:not_elixir, ssh, beginning(output)}
      # The daemon writes this before an error of the evaluation.
      ending.log =~ "**Error**" -> {:not_elixir, ssh, ending.log |> error() |> beginning()}
      known = known(ending.log) -> {known, ssh}
      status == 255 -> {:ssh_says, ssh, excerpt(ending.log)}
      true -> {:not_elixir, ssh, excerpt(ending.log)}
    end
  end

  def of(ssh, %{status: :too_much_noise} = ending),
    do: {:not_elixir, ssh, excerpt(ending.output)}

  def of(ssh, _), do: {:bad_answer, ssh}

  @doc "The reason, if ssh wrote nothing useful within `timeout` ms."
  @spec of_silence(Address.ssh(), Channel.ending(), pos_integer()) :: term()
  def of_silence(ssh, ending, timeout) do
    output = String.trim(ending.output)

    cond do
      output != "" -> {:not_elixir, ssh, beginning(output)}
      known = known(ending.log) -> {known, ssh}
      true -> {:timeout, timeout}
    end
  end

  defp known(log), do: Enum.find_value(@phrases, fn {phrase, name} -> log =~ phrase && name end)

  # Of ssh's own messages, the last one matters.
  defp excerpt(text), do: text |> lines() |> Enum.take(-2) |> Enum.join(" ") |> cut()

  # A device that does not understand the expression says so first; the indented lines of a stack trace
  # follow.
  defp beginning(text) do
    [first | rest] = lines(text)
    said = [first | Enum.take_while(rest, &(not String.starts_with?(&1, [" ", "\t"])))]
    said |> Enum.take(2) |> Enum.join(" ") |> cut()
  end

  # What ssh or a banner said before it is not about it.
  defp error(log) do
    [_, said] = String.split(log, "**Error**", parts: 2)

    case String.trim_leading(said) do
      # As Elixir formats an exception.
      "** (" <> exception -> "(" <> exception
      said -> "**Error** " <> said
    end
  end

  defp lines(text), do: String.split(text, ["\r\n", "\n"], trim: true)

  defp cut(text) do
    text = text |> binary_part(0, min(byte_size(text), 1_000)) |> Hotpush.Text.printable()
    if String.length(text) > 200, do: String.slice(text, 0, 200) <> " ...", else: text
  end
end
