defmodule Hotpush.Discovery.HostKey do
  @moduledoc """
  The host keys of a host that answers ssh, from OpenSSH's `ssh-keyscan`, which offers none of the
  developer's keys.

  It asks at the address that the developer's own `ssh` would use. Only if nothing answers there, it asks
  at the address from mDNS.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Transport.ChildEnv
  alias Hotpush.Discovery.Names
  alias Hotpush.Transport.Ssh.{Client, Command}

  defstruct [:fingerprint, :public]

  @typedoc "`SHA256:BASE64`, as ssh prints it, and the public key itself, `TYPE BASE64`."
  @type t :: %__MODULE__{fingerprint: String.t(), public: String.t()}

  @seconds 2
  @most 16

  # Host and port are arguments, so that no shell reads them. Each fingerprint belongs to the key after
  # it.
  @script ~S"""
  ssh-keyscan -T "$1" -p "$2" -- "$3" 2>/dev/null | head -n "$4" | while read -r line; do
    printf '%s\n' "$line" | ssh-keygen -l -f - 2>/dev/null && printf '%s\n' "$line"
  done
  """

  @doc """
  Its keys, sorted by fingerprint; none if the host does not answer or OpenSSH is not installed.
  `address` is `[user@]host[:port]`.
  """
  @spec of(String.t()) :: [t()]
  def of(address) do
    with {:ok, %{way: {:ssh, ssh}}} <- Target.ssh(address) do
      {host, port} = Command.settled(Client.settled(ssh)) || {ssh.host, ssh.port || 22}

      with [] <- scan(host, port), learnt when is_binary(learnt) <- Names.address(ssh.host) do
        scan(learnt, port)
      else
        nil -> []
        keys -> keys
      end
    else
      _ -> []
    end
  end

  defp scan(host, port) do
    case System.find_executable("sh") do
      nil ->
        []

      sh ->
        args = ["-c", @script, "sh", "#{@seconds}", "#{port}", host, "#{@most}"]
        {output, _status} = System.cmd(sh, args, env: ChildEnv.env())
        parse(output)
    end
  end

  @doc """
  The keys in the output of `ssh-keygen -l` for each key, followed by the key.

      iex> text = "256 SHA256:b+/2 host (ED25519)\\nhost ssh-ed25519 AAAA\\nSHA256:\\nno key\\n"
      iex> Hotpush.Discovery.HostKey.parse(text)
      [%Hotpush.Discovery.HostKey{fingerprint: "SHA256:b+/2", public: "ssh-ed25519 AAAA"}]
  """
  @spec parse(String.t()) :: [t()]
  def parse(output) do
    pair = ~r{^\d+ (SHA256:[A-Za-z0-9+/]+) .*\n\S+ ([a-z0-9@.-]+ [A-Za-z0-9+/]+=*)$}m

    for [_, fingerprint, public] <- Regex.scan(pair, output), uniq: true do
      %__MODULE__{fingerprint: fingerprint, public: public}
    end
    |> Enum.sort_by(& &1.fingerprint)
  end
end
