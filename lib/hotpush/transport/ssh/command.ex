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

  Nobody can type into a program that the VM has started, since it has no terminal: without a
  graphical SSH_ASKPASS, questions are not even put.

      iex> ssh = %{user: "me", host: "nerves.local", port: 2222}
      iex> arguments = Hotpush.Transport.Ssh.Command.new(ssh, 1_500, false).arguments
      iex> arguments |> Enum.drop(-1) |> Enum.take(-7)
      ["BatchMode=yes", "-p", "2222", "-l", "me", "--", "nerves.local"]
  """
  @spec new(Route.ssh(), pos_integer(), boolean()) :: t()
  def new(ssh, timeout, askpass? \\ System.get_env("SSH_ASKPASS") not in [nil, ""]) do
    seconds = max(div(timeout - 500, 1000), 1)
    batch = if askpass?, do: [], else: ["-o", "BatchMode=yes"]
    port = if ssh.port, do: ["-p", to_string(ssh.port)], else: []
    user = if ssh.user, do: ["-l", ssh.user], else: []

    %__MODULE__{
      arguments:
        @always ++
          ["-o", "ConnectTimeout=#{seconds}"] ++
          batch ++ port ++ user ++ ["--", ssh.host, Transport.Ssh.bootstrap()],
      timeout: timeout
    }
  end
end
