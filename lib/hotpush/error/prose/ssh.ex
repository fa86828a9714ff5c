defmodule Hotpush.Error.Prose.Ssh do
  @moduledoc "The sentences for a device that could not be reached by ssh."

  alias Hotpush.Text

  # If an address has a user, the user may have meant a node.
  @unreached [:unresolved, :port_refused, :no_route, :no_answer, :host_key_unknown] ++
               [:key_refused, :password_needed, :too_many_keys, :hung_up]

  @doc "The sentence, or `nil` if the reason is not about ssh. It begins with the name."
  @spec sentence(String.t(), term()) :: String.t() | nil
  def sentence(name, reason) do
    with sentence when is_binary(sentence) <- because(name, reason),
         do: sentence <> node_instead(name, reason)
  end

  defp because(name, :ssh_missing) do
    "#{name} needs ssh to be reached, but there is no ssh in this computer's PATH. " <>
      "Install OpenSSH's client (Debian: apt-get install openssh-client)."
  end

  defp because(name, {:unresolved, ssh, similar}),
    do: because(name, {:unresolved, ssh}) <> " Did you mean #{Enum.join(similar, ", ")}?"

  defp because(name, {:unresolved, ssh}) when is_map(ssh) do
    "#{name} does not resolve: this computer knows no such host. Is the device on this network? " <>
      "Try its IP address."
  end

  defp because(name, {:port_refused, _ssh}) do
    "#{name} does not accept the connection: the port is closed. " <>
      "Does the device run an ssh daemon (nerves_ssh) on this port?"
  end

  defp because(name, {:no_route, _ssh}) do
    "#{name} cannot be reached: there is no route to it. " <>
      "Is the device on, and is this computer on its network?"
  end

  defp because(name, {:no_answer, _ssh}) do
    "#{name} does not answer. " <>
      "Is the device on? Does a firewall block the connection?"
  end

  defp because(name, {:host_key_unknown, ssh}) do
    "#{name} has a host key that this computer does not know yet, and Hotpush sends nothing " <>
      "to an unknown device. If it is your device, run \"#{by_hand(ssh)}\" once and answer yes."
  end

  defp because(name, {:host_key_changed, ssh}) do
    "#{name} has a different host key from the one that this computer knows. " <>
      "New firmware may have brought a new key, or another device answers to that name. " <>
      "If it is your device, run \"#{forget(ssh)}\", then \"#{by_hand(ssh)}\" once, and answer yes."
  end

  defp because(name, {:host_key_not_confirmed, _ssh}) do
    "#{name} has a different host key from the one that you confirmed, so nothing was sent: " <>
      "it may be another device, or have new firmware. If it is your device, confirm it again " <>
      "with mix upload.hotswap --discover."
  end

  defp because(name, {:keys_not_written, path, reason}) do
    "#{name}: its confirmed host key could not be written to #{path}, where ssh reads it " <>
      "(#{:file.format_error(reason)}). Is the disk full?"
  end

  defp because(name, {:key_refused, _ssh}) do
    "#{name} accepts none of this computer's ssh keys. " <>
      "Is your public key in the firmware (config :nerves_ssh, authorized_keys:)? " <>
      "Is the key loaded (\"ssh-add -l\"), or does it have a passphrase (\"ssh-add\")?"
  end

  defp because(name, {:password_needed, _ssh}) do
    "#{name} accepts none of this computer's ssh keys, and a password cannot be " <>
      "typed here. Put your public key on the device (config :nerves_ssh, authorized_keys:), " <>
      "load a key that has a passphrase with \"ssh-add\", or set SSH_ASKPASS."
  end

  defp because(name, {:key_open, ssh}) do
    "#{name}: ssh does not use a private key file that other users can read. " <>
      "Run \"#{by_hand(ssh)}\" to see which file it is, then run chmod 600 on it."
  end

  defp because(name, {:too_many_keys, _ssh}) do
    "#{name} hung up because ssh offered it too many keys. " <>
      "Name the right key in ~/.ssh/config (IdentityFile and IdentitiesOnly yes)."
  end

  defp because(name, {:no_algorithm, ssh}) do
    "#{name} and this computer's ssh have no algorithm in common. " <>
      "Run \"#{by_hand(ssh)}\" to see which ones the device offers."
  end

  defp because(name, {:exec_disabled, _ssh}) do
    "#{name} runs no commands over ssh. " <>
      "Set config :nerves_ssh, exec: :elixir in the firmware."
  end

  defp because(name, {:hung_up, ssh}) do
    "#{name} hung up at once. " <>
      "It may still be starting, or this may not be an ssh daemon: try \"#{by_hand(ssh)}\"."
  end

  defp because(name, {:not_elixir, _ssh, ""}) do
    "#{name} accepts commands, but does not answer an Elixir expression. Does it evaluate Elixir " <>
      "(config :nerves_ssh, exec: :elixir)?"
  end

  defp because(name, {:not_elixir, _ssh, said}) do
    "#{name} does not answer Elixir expressions, but says: \"#{said}\". " <>
      "Does it evaluate Elixir (config :nerves_ssh, exec: :elixir)?"
  end

  defp because(name, {:bad_answer, _ssh}) do
    "#{name} sent an answer that cannot be read safely, so Hotpush closed the connection. " <>
      "Is it really your device?"
  end

  defp because(name, {:ssh_says, ssh, ""}),
    do: "#{name}: ssh ended without a message. Try \"#{by_hand(ssh)}\"."

  defp because(name, {:ssh_says, ssh, said}),
    do: "#{name}: ssh says: \"#{said}\". Try \"#{by_hand(ssh)}\"."

  defp because(_name, _reason), do: nil

  # As a person would type it, quoted for any shell.
  defp by_hand(ssh) do
    port = if ssh.port, do: ["-p", "#{ssh.port}"], else: []
    command(["ssh"] ++ asking(ssh[:known]) ++ (ssh[:at] || []) ++ port ++ [who(ssh)])
  end

  # With a config that says never to ask, ssh would not let the developer answer yes.
  defp asking(%{checking: value}) when value in ["true", "yes"],
    do: ["-o", "StrictHostKeyChecking=ask"]

  defp asking(_known), do: []

  defp who(%{user: nil, host: host}), do: host
  defp who(%{user: user, host: host}), do: "#{user}@#{host}"

  defp forget(%{known: %{name: name, file: file}}) do
    command(["ssh-keygen"] ++ if(file, do: ["-f", file], else: []) ++ ["-R", name])
  end

  defp forget(%{port: port, host: host}) when port in [nil, 22],
    do: command(["ssh-keygen", "-R", host])

  defp forget(%{port: port, host: host}), do: command(["ssh-keygen", "-R", "[#{host}]:#{port}"])

  defp command(words), do: Enum.map_join(words, " ", &Text.word/1)

  # A nickname cannot be the name of a node.
  defp node_instead(name, reason) when elem(reason, 0) in @unreached do
    case elem(reason, 1) do
      %{user: user, host: host} when user != nil ->
        if name =~ "@",
          do: " (If it is the name of a node, use --node #{user}@#{host}.)",
          else: ""

      _ ->
        ""
    end
  end

  defp node_instead(_name, _reason), do: ""
end
