defmodule Hotpush.Transport.Ssh.Command do
  @moduledoc "The command line of the system's `ssh`. Pure."

  alias Hotpush.Transport.Ssh.Program
  alias Hotpush.Config.Address

  defstruct [:arguments, :timeout, env: []]

  @typedoc "`:env` has variables for ssh besides those of this VM."
  @type t :: %__MODULE__{
          arguments: [String.t()],
          timeout: pos_integer(),
          env: [{String.t(), String.t()}]
        }

  # -T: no terminal; -a and -x: the device gets access neither to the developer's keys nor to the screen.
  # ControlMaster: ssh uses a shared connection if there is one, but does not begin one, which would
  # keep the limits that are set for this one.
  @always ~w(-T -a -x -o LogLevel=INFO -o RemoteCommand=none -o SessionType=default) ++
            ~w(-o ControlMaster=no)

  # Whatever the developer's own config says, a host that cannot prove that it owns its key is rejected.
  @strict ~w(-o StrictHostKeyChecking=yes -o VerifyHostKeyDNS=no) ++
            ~w(-o NoHostAuthenticationForLocalhost=no)

  # The name of a confirmed key in its own file of known hosts.
  @confirmed "confirmed"

  # No other source of keys, and no shared connection, for which other keys may have been accepted.
  @bound ~w(-o HostKeyAlias=#{@confirmed} -o GlobalKnownHostsFile=/dev/null) ++
           ~w(-o KnownHostsCommand=none -o UpdateHostKeys=no -o ControlPath=none)

  @doc """
  The arguments for `ssh`, with the host after `--`. ssh gives up connecting a little before `timeout`
  (ms), so that it can say why.

  Options: `:address`, the address of the host if this computer's resolver does not know it (its host
  key is still looked up by its name, and must be known); `:known_hosts`, the path of a file with the
  only keys that the host may have (see `known_hosts/1`); `:askpass?`, whether ssh can ask for
  passwords with the program in SSH_ASKPASS; `:strict?`, whether an unknown key is refused, whatever
  the developer's config says. A program that the VM starts has no terminal, so nobody can type into
  it. Without SSH_ASKPASS, ssh asks no questions.

      iex> ssh = %{user: "me", host: "nerves.local", port: 2222}
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, address: "10.0.0.7").arguments
      iex> {far, near} = arguments |> Enum.drop(-1) |> Enum.split(-6)
      iex> near
      ["-p", "2222", "-l", "me", "--", "nerves.local"]
      iex> Enum.take(far, -4)
      ["-o", "HostName=10.0.0.7", "-o", "HostKeyAlias=[nerves.local]:2222"]
      iex> "BatchMode=yes" in far and "StrictHostKeyChecking=yes" in far
      true

  ssh reads a `%` in a HostName as the beginning of a token:

      iex> ssh = %{user: nil, host: "nerves.local", port: nil}
      iex> options = [address: "fe80::1%eth0", askpass?: true]
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, options).arguments
      iex> Enum.filter(arguments, &(&1 =~ ~r/HostName|BatchMode/))
      ["HostName=fe80::1%%eth0"]

  Without a DISPLAY, ssh uses that program only if it is told to:

      iex> ssh = %{user: nil, host: "nerves.local", port: nil}
      iex> Hotpush.Transport.Ssh.Command.new(ssh, 1_500, askpass?: true).env
      [{"SSH_ASKPASS_REQUIRE", "force"}]
  """
  @spec new(Address.ssh(), pos_integer(), keyword()) :: t()
  def new(ssh, timeout, options \\ []) do
    seconds = max(div(timeout - 500, 1000), 1)
    batch = if options[:askpass?], do: [], else: ["-o", "BatchMode=yes"]
    port = if ssh.port, do: ["-p", to_string(ssh.port)], else: []
    user = if ssh.user, do: ["-l", ssh.user], else: []

    %__MODULE__{
      arguments:
        @always ++
          ["-o", "ConnectTimeout=#{seconds}"] ++
          batch ++
          if(options[:strict?], do: ["-o", "StrictHostKeyChecking=yes"], else: []) ++
          bound(options[:known_hosts]) ++
          place(options[:address], ssh) ++
          port ++ user ++ ["--", ssh.host, Program.bootstrap()],
      timeout: timeout,
      env: if(options[:askpass?], do: [{"SSH_ASKPASS_REQUIRE", "force"}], else: [])
    }
  end

  @doc """
  The arguments with which ssh prints where a host is, for `settled/1`. `address` is as in `new/3`.

      iex> Hotpush.Transport.Ssh.Command.asking(%{user: nil, host: "nerves.local", port: nil})
      ["-G", "--", "nerves.local"]
  """
  @spec asking(Address.ssh(), String.t() | nil) :: [String.t()]
  def asking(ssh, address \\ nil) do
    port = if ssh.port, do: ["-p", to_string(ssh.port)], else: []
    user = if ssh.user, do: ["-l", ssh.user], else: []
    ["-G"] ++ at(address, ssh) ++ port ++ user ++ ["--", ssh.host]
  end

  @doc """
  The host and port in the output of `ssh -G`, according to the developer's own config.

      iex> Hotpush.Transport.Ssh.Command.settled("user me\\nhostname 10.0.0.7\\nport 2222\\n")
      {"10.0.0.7", 2222}
      iex> Hotpush.Transport.Ssh.Command.settled("ssh: no such option\\n")
      nil
  """
  @spec settled(String.t()) :: {String.t(), :inet.port_number()} | nil
  def settled(output) do
    with [_, host] <- Regex.run(~r/^hostname (\S+)$/m, output),
         [_, port] <- Regex.run(~r/^port (\d{1,5})$/m, output),
         do: {host, String.to_integer(port)}
  end

  @doc """
  The content of a file of known hosts with exactly these public keys.

      iex> Hotpush.Transport.Ssh.Command.known_hosts(["ssh-ed25519 AAAA"])
      "confirmed ssh-ed25519 AAAA\\n"
  """
  @spec known_hosts([String.t()]) :: String.t()
  def known_hosts(keys), do: Enum.map_join(keys, &"#{@confirmed} #{&1}\n")

  defp bound(nil), do: []

  # ssh splits it at spaces, and reads a % as the beginning of a token.
  defp bound(path) do
    quoted = path |> String.replace("%", "%%") |> String.replace(~r/["\\]/, "\\\\\\0")
    @strict ++ @bound ++ ["-o", ~s(UserKnownHostsFile="#{quoted}")]
  end

  # The alias is in known_hosts as it is, so it must include a port in the form of that file. Of two
  # values of an option, ssh uses the first, so a bound host keeps its own.
  defp place(nil, _ssh), do: []
  defp place(address, ssh), do: @strict ++ at(address, ssh)

  @doc """
  The arguments that tell ssh the address of a host that only the network knows.

      iex> ssh = %{user: nil, host: "nerves.local", port: nil}
      iex> Hotpush.Transport.Ssh.Command.at("10.0.0.7", ssh)
      ["-o", "HostName=10.0.0.7", "-o", "HostKeyAlias=nerves.local"]
  """
  @spec at(String.t() | nil, Address.ssh()) :: [String.t()]
  def at(nil, _ssh), do: []

  def at(address, %{host: host, port: port}) do
    name = if port in [nil, 22], do: host, else: "[#{host}]:#{port}"
    address = String.replace(address, "%", "%%")
    ["-o", "HostName=#{address}", "-o", "HostKeyAlias=#{name}"]
  end
end
