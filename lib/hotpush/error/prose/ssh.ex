defmodule Hotpush.Error.Prose.Ssh do
  @moduledoc "Why a device could not be reached by ssh."

  alias Hotpush.Text

  # Where a user was named, a node may have been meant.
  @unreached [:unresolved, :port_refused, :no_route, :no_answer, :host_key_unknown] ++
               [:key_refused, :password_needed, :too_many_keys, :hung_up]

  @doc "The sentence, or `nil` where the reason is none of ssh's. It begins with the name."
  @spec sentence(String.t(), term()) :: String.t() | nil
  def sentence(name, reason) do
    with sentence when is_binary(sentence) <- told(name, reason),
         do: sentence <> node_instead(name, reason)
  end

  defp told(name, :ssh_missing) do
    "#{name} is to be reached by ssh, but there is no ssh on this computer's PATH. " <>
      "Install OpenSSH's client (Debian: apt-get install openssh-client)."
  end

  defp told(name, {:unresolved, ssh, similar}),
    do: told(name, {:unresolved, ssh}) <> " Did you mean #{Hotpush.Text.names(similar)}?"

  defp told(name, {:unresolved, ssh}) when is_map(ssh) do
    "#{name} does not resolve: no such host is known here. Is the device on this network? " <>
      "Try its IP address."
  end

  defp told(name, {:port_refused, _ssh}) do
    "#{name}: nothing answers there, the port is closed. " <>
      "Does the device run an ssh daemon (nerves_ssh), at this port?"
  end

  defp told(name, {:no_route, _ssh}) do
    "#{name} cannot be reached: there is no route to it. " <>
      "Is the device on, and is this computer on its network?"
  end

  defp told(name, {:no_answer, _ssh}) do
    "#{name} does not answer. " <>
      "Is the device on, and is no firewall between?"
  end

  defp told(name, {:host_key_unknown, ssh}) do
    "#{name} has a host key that this computer does not know yet, and nothing is sent " <>
      "to a device that is not known. Run \"#{by_hand(ssh)}\" once and say yes, " <>
      "if it is your device."
  end

  defp told(name, {:host_key_changed, ssh}) do
    "#{name} has another host key than the one that this computer knows. " <>
      "New firmware may have brought a new key, or another device answers by that name. " <>
      "If it is your device, run \"#{forget(ssh)}\", then \"#{by_hand(ssh)}\" once, and say yes."
  end

  defp told(name, {:host_key_not_confirmed, _ssh}) do
    "#{name} has another host key than the one that was confirmed, so nothing was sent: " <>
      "it may be another device, or new firmware. If it is your device, confirm it again with " <>
      "mix upload.hotswap --discover."
  end

  defp told(name, {:keys_not_written, path, reason}) do
    "#{name}: its confirmed host key could not be written to #{path}, for ssh to read " <>
      "(#{:file.format_error(reason)}). Is the disk full?"
  end

  defp told(name, {:key_refused, _ssh}) do
    "#{name} accepts none of this computer's ssh keys. " <>
      "Is your public key in the firmware (config :nerves_ssh, authorized_keys:)? " <>
      "Is the key loaded (\"ssh-add -l\"), or does it have a passphrase (\"ssh-add\")?"
  end

  defp told(name, {:password_needed, _ssh}) do
    "#{name} accepts none of this computer's ssh keys, and a password cannot be " <>
      "typed here. Put your public key on the device (config :nerves_ssh, authorized_keys:), " <>
      "load a key that has a passphrase with \"ssh-add\", or set SSH_ASKPASS."
  end

  defp told(name, {:key_open, ssh}) do
    "#{name}: ssh does not use a private key file that other users may read. " <>
      "Run \"#{by_hand(ssh)}\" to see which, and chmod 600 it."
  end

  defp told(name, {:too_many_keys, _ssh}) do
    "#{name} hung up after too many of this computer's ssh keys. " <>
      "Name the right one in ~/.ssh/config (IdentityFile and IdentitiesOnly yes)."
  end

  defp told(name, {:no_algorithm, ssh}) do
    "#{name}: ssh here and there have no algorithm in common. " <>
      "Run \"#{by_hand(ssh)}\" to see which are offered."
  end

  defp told(name, {:exec_disabled, _ssh}) do
    "#{name} runs no commands over ssh. " <>
      "Set config :nerves_ssh, exec: :elixir in the firmware."
  end

  defp told(name, {:hung_up, ssh}) do
    "#{name} hung up at once. " <>
      "It may be no ssh daemon, or it may be starting: try \"#{by_hand(ssh)}\"."
  end

  defp told(name, {:not_elixir, _ssh, ""}) do
    "#{name} takes commands, but says nothing to an Elixir expression. Is it a device that runs " <>
      "Elixir's evaluator (config :nerves_ssh, exec: :elixir)?"
  end

  defp told(name, {:not_elixir, _ssh, said}) do
    "#{name} does not answer Elixir expressions, it says: \"#{said}\". " <>
      "Is it a device that runs Elixir's evaluator (config :nerves_ssh, exec: :elixir)?"
  end

  defp told(name, {:bad_answer, _ssh}) do
    "#{name} answers something that cannot be read safely, so it was hung up on. " <>
      "Is it really your device?"
  end

  defp told(name, {:ssh_says, ssh, ""}),
    do: "#{name}: ssh ended without a word. Try \"#{by_hand(ssh)}\"."

  defp told(name, {:ssh_says, ssh, said}),
    do: "#{name}: ssh says: \"#{said}\". Try \"#{by_hand(ssh)}\"."

  defp told(_name, _reason), do: nil

  # As a person would type it, and in words that any shell takes as they are.
  defp by_hand(ssh) do
    port = if ssh.port, do: ["-p", "#{ssh.port}"], else: []
    command(["ssh"] ++ asking(ssh[:known]) ++ (ssh[:at] || []) ++ port ++ [who(ssh)])
  end

  # Where the developer's config says never to ask, nobody could say yes.
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

  # A nickname is no name of a node.
  defp node_instead(name, reason) when elem(reason, 0) in @unreached do
    case elem(reason, 1) do
      %{user: user, host: host} when user != nil ->
        if name =~ "@",
          do: " (If it is the name of a node, give --node #{user}@#{host}.)",
          else: ""

      _ ->
        ""
    end
  end

  defp node_instead(_name, _reason), do: ""
end
