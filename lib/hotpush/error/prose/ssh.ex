defmodule Hotpush.Error.Prose.Ssh do
  @moduledoc "Why a device could not be reached by ssh."

  @doc "The sentence, or `nil` where the reason is none of ssh's."
  @spec sentence(String.t(), term()) :: String.t() | nil
  def sentence(name, :ssh_missing) do
    "#{name} is to be reached by ssh, but there is no ssh on this computer's PATH. " <>
      "Install OpenSSH's client (Debian: apt-get install openssh-client)."
  end

  def sentence(name, {:unresolved, %{host: host} = ssh}) when is_map(ssh) do
    "#{name}: the host name #{host} does not resolve. Is the device on this network? " <>
      "Try its IP address" <> node_instead(ssh)
  end

  def sentence(name, {:port_refused, ssh}) do
    "#{name}: nothing answers at #{place(ssh)}: the port is closed. " <>
      "Does the device run an ssh daemon (nerves_ssh), at this port?"
  end

  def sentence(name, {:no_route, ssh}) do
    "#{name}: there is no route to #{ssh.host}. " <>
      "Is the device on, and is this computer on its network?"
  end

  def sentence(name, {:no_answer, ssh}) do
    "#{name}: #{place(ssh)} does not answer. " <>
      "Is the device on, and is no firewall between?"
  end

  def sentence(name, {:host_key_unknown, ssh}) do
    "#{name}: this computer does not know the host key of #{ssh.host} yet, and nothing is sent " <>
      "to a device that is not known. Run \"#{by_hand(ssh)}\" once and say yes, " <>
      "if it is your device."
  end

  def sentence(name, {:host_key_changed, ssh}) do
    "#{name}: the host key of #{ssh.host} is not the one that this computer knows. " <>
      "New firmware may have brought a new key, or another device answers by that name. " <>
      "If it is your device, run \"ssh-keygen -R #{known_host(ssh)}\", " <>
      "then \"#{by_hand(ssh)}\" once."
  end

  def sentence(name, {:host_key_not_confirmed, ssh}) do
    "#{name}: the host key of #{ssh.host} is not the one that was confirmed, so nothing was sent: " <>
      "it may be another device, or new firmware. If it is your device, confirm it again with " <>
      "mix upload.hotswap --discover."
  end

  def sentence(name, {:keys_not_written, path, reason}) do
    "#{name}: its confirmed host key could not be written to #{path}, for ssh to read " <>
      "(#{:file.format_error(reason)}). Is the disk full?"
  end

  def sentence(name, {:key_refused, ssh}) do
    "#{name}: #{ssh.host} accepts none of this computer's ssh keys. " <>
      "Is your public key in the firmware (config :nerves_ssh, authorized_keys:)? " <>
      "Is the key loaded (\"ssh-add -l\"), or does it have a passphrase (\"ssh-add\")?"
  end

  def sentence(name, {:password_needed, ssh}) do
    "#{name}: #{ssh.host} accepts none of this computer's ssh keys, and a password cannot be " <>
      "typed here. Put your public key on the device (config :nerves_ssh, authorized_keys:), " <>
      "load a key that has a passphrase with \"ssh-add\", or set SSH_ASKPASS."
  end

  def sentence(name, {:key_open, ssh}) do
    "#{name}: ssh does not use a private key file that other users may read. " <>
      "Run \"#{by_hand(ssh)}\" to see which, and chmod 600 it."
  end

  def sentence(name, {:too_many_keys, ssh}) do
    "#{name}: #{ssh.host} hung up after too many of this computer's ssh keys. " <>
      "Name the right one in ~/.ssh/config (IdentityFile and IdentitiesOnly yes)."
  end

  def sentence(name, {:no_algorithm, ssh}) do
    "#{name}: ssh here and on #{ssh.host} have no algorithm in common. " <>
      "Run \"#{by_hand(ssh)}\" to see which are offered."
  end

  def sentence(name, {:exec_disabled, ssh}) do
    "#{name}: #{ssh.host} runs no commands over ssh. " <>
      "Set config :nerves_ssh, exec: :elixir in the firmware."
  end

  def sentence(name, {:hung_up, ssh}) do
    "#{name}: #{place(ssh)} hung up at once. " <>
      "It may be no ssh daemon, or it may be starting: try \"#{by_hand(ssh)}\"."
  end

  def sentence(name, {:not_elixir, _ssh, ""}) do
    "#{name} takes commands, but says nothing to an Elixir expression. Is it a device that runs " <>
      "Elixir's evaluator (config :nerves_ssh, exec: :elixir)?"
  end

  def sentence(name, {:not_elixir, _ssh, said}) do
    "#{name} does not answer Elixir expressions, it says: #{said} " <>
      "Is it a device that runs Elixir's evaluator (config :nerves_ssh, exec: :elixir)?"
  end

  def sentence(name, {:bad_answer, _ssh}) do
    "#{name} answers something that cannot be read safely, so it was hung up on. " <>
      "Is it really your device?"
  end

  def sentence(name, {:ssh_says, ssh, ""}),
    do: "#{name}: ssh ended without a word. Try \"#{by_hand(ssh)}\"."

  def sentence(name, {:ssh_says, ssh, said}),
    do: "#{name}: ssh says: #{said} Try \"#{by_hand(ssh)}\"."

  def sentence(_name, _reason), do: nil

  defp place(%{port: nil, host: host}), do: "#{host}"
  defp place(%{port: port, host: host}), do: "#{host}, port #{port}"

  # As a person would type it.
  defp by_hand(ssh) do
    Enum.join(["ssh" | if(ssh.port, do: ["-p #{ssh.port}"], else: [])] ++ [who(ssh)], " ")
  end

  defp who(%{user: nil, host: host}), do: host
  defp who(%{user: user, host: host}), do: "#{user}@#{host}"

  defp known_host(%{port: port, host: host}) when port in [nil, 22], do: host
  defp known_host(%{port: port, host: host}), do: "[#{host}]:#{port}"

  # `mix upload.hotswap name@host` may have meant a node.
  defp node_instead(%{user: nil}), do: "."

  defp node_instead(%{user: user, host: host}),
    do: ". (If it is the name of a node, give --node #{user}@#{host}.)"
end
