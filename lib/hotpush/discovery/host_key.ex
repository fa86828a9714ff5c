defmodule Hotpush.Discovery.HostKey do
  @moduledoc """
  The host keys of a host that answers ssh, by OpenSSH's `ssh-keyscan`: it offers no key of ours.
  """

  alias Hotpush.Discovery.Names
  alias Hotpush.Route

  @seconds 2
  @most 16

  # Host and port are arguments, so that no shell reads them.
  @script ~S"""
  ssh-keyscan -T "$1" -p "$2" -- "$3" 2>/dev/null | ssh-keygen -l -f - 2>/dev/null
  """

  @doc """
  Fingerprints as ssh prints them (`SHA256:` and base64), sorted; none where the host does not
  answer, or OpenSSH is not installed. `address` is `[user@]host[:port]`.
  """
  @spec fingerprints(String.t()) :: [String.t()]
  def fingerprints(address) do
    with {:ok, %{way: {:ssh, %{host: host, port: port}}}} <- Route.ssh(address),
         sh when is_binary(sh) <- System.find_executable("sh") do
      at = Names.address(host) || host
      args = ["-c", @script, "sh", "#{@seconds}", "#{port || 22}", at]
      {output, _status} = System.cmd(sh, args)
      parse(output)
    else
      _ -> []
    end
  end

  @doc """
  The fingerprints in what `ssh-keygen -l` prints.

      iex> Hotpush.Discovery.HostKey.parse("256 SHA256:b+/2 host (ED25519)\\nSHA256:\\nno key\\n")
      ["SHA256:b+/2"]
  """
  @spec parse(String.t()) :: [String.t()]
  def parse(output) do
    for [_, key] <- Regex.scan(~r{^\d+ (SHA256:[A-Za-z0-9+/]+) }m, output), uniq: true do
      key
    end
    |> Enum.sort()
    |> Enum.take(@most)
  end
end
