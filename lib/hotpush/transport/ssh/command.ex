defmodule Hotpush.Transport.Ssh.Command do
  @moduledoc "How the system's `ssh` is called. Pure."

  alias Hotpush.Transport.Ssh.Program
  alias Hotpush.Config.Address

  defstruct [:arguments, :timeout, env: []]

  @typedoc "`:env` are variables that ssh is given beside those of this VM."
  @type t :: %__MODULE__{
          arguments: [String.t()],
          timeout: pos_integer(),
          env: [{String.t(), String.t()}]
        }

  # -T: no terminal; -a and -x: the device gets neither the developer's keys nor his screen.
  # ControlMaster: a connection for later ones is used if there is one; one that began here would
  # live on in the bounds that are set for this one.
  @always ~w(-T -a -x -o LogLevel=INFO -o RemoteCommand=none -o SessionType=default) ++
            ~w(-o ControlMaster=no)

  # Whatever the developer's own config says: what cannot prove who it is gets nothing.
  @strict ~w(-o StrictHostKeyChecking=yes -o VerifyHostKeyDNS=no) ++
            ~w(-o NoHostAuthenticationForLocalhost=no)

  # The name that a confirmed key stands under in its own file of known hosts.
  @confirmed "confirmed"

  # No other source of keys, and no connection that somebody else has checked.
  @bound ~w(-o HostKeyAlias=#{@confirmed} -o GlobalKnownHostsFile=/dev/null) ++
           ~w(-o KnownHostsCommand=none -o UpdateHostKeys=no -o ControlPath=none)

  @doc """
  The arguments for `ssh`, the host behind `--`. ssh gives up on connecting a little before
  `timeout` (ms), so that it can say why.

  Options: `:address`, where the host is, if this computer's resolver does not know it (its host
  key is still that of its name, and has to be known); `:known_hosts`, the path of a file that
  holds the only keys which the host may have (see `known_hosts/1`); `:askpass?`, whether ssh can
  ask for passwords by the program in SSH_ASKPASS; `:strict?`, whether a key that nobody knows is
  refused, whatever the developer's config says. Nobody can type into a program that the VM has
  started, since it has no terminal: without that program, questions are not even put.

      iex> ssh = %{user: "me", host: "nerves.local", port: 2222}
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, address: "10.0.0.7").arguments
      iex> {far, near} = arguments |> Enum.drop(-1) |> Enum.split(-6)
      iex> near
      ["-p", "2222", "-l", "me", "--", "nerves.local"]
      iex> Enum.take(far, -4)
      ["-o", "HostName=10.0.0.7", "-o", "HostKeyAlias=[nerves.local]:2222"]
      iex> "BatchMode=yes" in far and "StrictHostKeyChecking=yes" in far
      true

  ssh takes a `%` in a HostName for the beginning of a token:

      iex> ssh = %{user: nil, host: "nerves.local", port: nil}
      iex> options = [address: "fe80::1%eth0", askpass?: true]
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, options).arguments
      iex> Enum.filter(arguments, &(&1 =~ ~r/HostName|BatchMode/))
      ["HostName=fe80::1%%eth0"]

  Without a DISPLAY ssh uses that program only where it is told to:

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
  The arguments by which ssh says where a host is, for `settled/1`. `address` as in `new/3`.

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
  Host and port in what `ssh -G` prints, as the developer's own config has them.

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
  The file of known hosts that holds exactly these public keys.

      iex> Hotpush.Transport.Ssh.Command.known_hosts(["ssh-ed25519 AAAA"])
      "confirmed ssh-ed25519 AAAA\\n"
  """
  @spec known_hosts([String.t()]) :: String.t()
  def known_hosts(keys), do: Enum.map_join(keys, &"#{@confirmed} #{&1}\n")

  defp bound(nil), do: []

  # ssh parts it at blanks, and takes a % for the beginning of a token.
  defp bound(path) do
    quoted = path |> String.replace("%", "%%") |> String.replace(~r/["\\]/, "\\\\\\0")
    @strict ++ @bound ++ ["-o", ~s(UserKnownHostsFile="#{quoted}")]
  end

  # The alias stands in known_hosts as it is, so it has the form that a port is given there. Of two
  # values of an option ssh takes the first: a bound host keeps its own.
  defp place(nil, _ssh), do: []
  defp place(address, ssh), do: @strict ++ at(address, ssh)

  @doc """
  The arguments that lead ssh to an address for a host that only the network knows.

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
