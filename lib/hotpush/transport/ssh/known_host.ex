defmodule Hotpush.Transport.Ssh.KnownHost do
  @moduledoc """
  How the developer's own ssh knows a host: the name of its entry in the known hosts, and the
  file. Pure.
  """

  defstruct [:name, :file, :checking]

  @typedoc """
  `:file` is `nil` if it is the default of `ssh-keygen -R`; `:checking` is the value of
  StrictHostKeyChecking, `"true"` if ssh does not ask whether to trust an unknown key.
  """
  @type t :: %__MODULE__{name: String.t(), file: Path.t() | nil, checking: String.t() | nil}

  @doc """
  Reads it from the output of `ssh -G` (`settled`). `log` is what ssh wrote when the key did not match.
  It names the file, which is only used if it is one of those in `settled`.

      iex> settled = "hostname 10.0.0.7\\nport 2222\\nuserknownhostsfile /h/.ssh/known_hosts /h/.ssh/known_hosts2\\n"
      iex> Hotpush.Transport.Ssh.KnownHost.of(settled, "")
      %Hotpush.Transport.Ssh.KnownHost{name: "[10.0.0.7]:2222"}
      iex> settled = settled <> "hostkeyalias kitchen\\nstricthostkeychecking true\\n"
      iex> Hotpush.Transport.Ssh.KnownHost.of(settled, "Offending RSA key in /h/.ssh/known_hosts2:7")
      %Hotpush.Transport.Ssh.KnownHost{name: "kitchen", file: "/h/.ssh/known_hosts2", checking: "true"}
      iex> Hotpush.Transport.Ssh.KnownHost.of("ssh: no such option\\n", "")
      nil
  """
  @spec of(String.t(), String.t()) :: t() | nil
  def of(settled, log) do
    with name when is_binary(name) <- name(settled) do
      checking = value(settled, "stricthostkeychecking")
      %__MODULE__{name: name, file: file(settled, log), checking: checking}
    end
  end

  # As in the file: an alias as it is, and no port if it is 22 (OpenSSH, put_host_port).
  defp name(settled) do
    case Enum.map(~w(hostkeyalias hostname port), &value(settled, &1)) do
      [nil, nil, _port] -> nil
      [nil, host, port] when port in [nil, "22"] -> host
      [nil, host, port] -> "[#{host}]:#{port}"
      [name, _host, _port] -> name
    end
  end

  defp file(settled, log) do
    users = value(settled, "userknownhostsfile") || ""
    all = "#{users} #{value(settled, "globalknownhostsfile")}"
    standard = standard(users)

    with [_, file] <- Regex.run(~r/^Offending .*key.* in (\/.+):\d+\s*$/m, log),
         true <- String.contains?(" #{all} ", " #{file} ") do
      if file != standard, do: file
    else
      _ -> if standard == nil, do: users |> String.split() |> List.first()
    end
  end

  # The first of the two that ssh has by default.
  defp standard(users) do
    case Regex.run(~r/\A((.+)\/known_hosts) \2\/known_hosts2\z/, users) do
      [_, first, _] -> first
      nil -> nil
    end
  end

  # A regular expression accepts only valid text.
  defp value(settled, key) do
    with true <- String.valid?(settled),
         [_, value] <- Regex.run(~r/^#{key} (\S.*?)\r?$/m, settled) do
      value
    else
      _ -> nil
    end
  end
end
