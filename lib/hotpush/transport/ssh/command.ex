defmodule Hotpush.Transport.Ssh.Command do
  @moduledoc "How the system's `ssh` is called. Pure."

  alias Hotpush.{Route, Transport}

  defstruct [:arguments, :timeout]

  @type t :: %__MODULE__{arguments: [String.t()], timeout: pos_integer()}

  # -T: no terminal; -a and -x: the device gets neither the developer's keys nor his screen.
  @always ~w(-T -a -x -o LogLevel=ERROR -o RemoteCommand=none -o SessionType=default)

  @doc """
  The arguments for `ssh`, the host behind `--`. ssh gives up on connecting a little before
  `timeout` (ms), so that it can say why.

  Options: `:address`, where the host is, if this computer's resolver does not know it (its host
  key is still that of its name); `:askpass?`, whether ssh can ask for passwords. Nobody can type
  into a program that the VM has started, since it has no terminal: without a graphical
  SSH_ASKPASS, questions are not even put.

      iex> ssh = %{user: "me", host: "nerves.local", port: 2222}
      iex> options = [address: "10.0.0.7", askpass?: false]
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, options).arguments
      iex> {far, near} = arguments |> Enum.drop(-1) |> Enum.split(-6)
      iex> near
      ["-p", "2222", "-l", "me", "--", "nerves.local"]
      iex> Enum.take(far, -6)
      ["-o", "BatchMode=yes", "-o", "HostName=10.0.0.7", "-o", "HostKeyAlias=[nerves.local]:2222"]
  """
  @spec new(Route.ssh(), pos_integer(), keyword()) :: t()
  def new(ssh, timeout, options \\ []) do
    seconds = max(div(timeout - 500, 1000), 1)
    batch = if askpass?(options), do: [], else: ["-o", "BatchMode=yes"]
    port = if ssh.port, do: ["-p", to_string(ssh.port)], else: []
    user = if ssh.user, do: ["-l", ssh.user], else: []

    %__MODULE__{
      arguments:
        @always ++
          ["-o", "ConnectTimeout=#{seconds}"] ++
          batch ++
          place(options[:address], ssh) ++
          port ++ user ++ ["--", ssh.host, Transport.Ssh.bootstrap()],
      timeout: timeout
    }
  end

  defp askpass?(options) do
    Keyword.get_lazy(options, :askpass?, fn -> System.get_env("SSH_ASKPASS") not in [nil, ""] end)
  end

  # The alias stands in known_hosts as it is, so it has the form that a port is given there.
  defp place(nil, _ssh), do: []

  defp place(address, %{host: host, port: port}) do
    name = if port in [nil, 22], do: host, else: "[#{host}]:#{port}"
    ["-o", "HostName=#{address}", "-o", "HostKeyAlias=#{name}"]
  end
end
