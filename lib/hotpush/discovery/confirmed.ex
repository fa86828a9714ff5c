defmodule Hotpush.Discovery.Confirmed do
  @moduledoc """
  The devices that the developer has confirmed: nodes by name, hosts by the fingerprint of their ssh host
  key, adb devices by serial number.

  They are in a file that only this user can access: a line with the version, then one device per line:

      hotpush confirmed 1
      node example@nerves-1a2b.local
      ssh nerves-3c4d.local SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE
      adb R5CT1234567
  """

  import Bitwise

  alias Hotpush.Discovery.HostKey
  alias Hotpush.{Error, StateFile}

  defstruct [:path, lines: []]

  @type way :: {:node | :ssh | :adb, String.t()}
  @type t :: %__MODULE__{path: Path.t() | nil, lines: [[String.t()]]}

  @header "hotpush confirmed 1"
  @most 1_000_000
  @by_others 0o022

  @doc """
  The path of the file (XDG Base Directory Specification), or `nil` if there is no home.

      iex> Hotpush.Discovery.Confirmed.path(%{"HOME" => "/home/jo"})
      "/home/jo/.local/state/hotpush/confirmed"
      iex> Hotpush.Discovery.Confirmed.path(%{"HOME" => "/home/jo", "XDG_STATE_HOME" => "/state"})
      "/state/hotpush/confirmed"
  """
  @spec path(%{String.t() => String.t()}) :: Path.t() | nil
  def path(%{"XDG_STATE_HOME" => "/" <> _ = dir}), do: Path.join(dir, "hotpush/confirmed")
  def path(%{"HOME" => "/" <> _ = dir}), do: Path.join(dir, ".local/state/hotpush/confirmed")
  def path(_env), do: nil

  @doc "Reads the file. A damaged file, or one that others can write to, confirms nothing."
  @spec read(Path.t() | nil) :: {:ok, t()} | {:error, Error.t()}
  def read(nil), do: {:ok, %__MODULE__{}}

  def read(path) do
    with {:ok, %{mode: mode, size: size}} when size <= @most <- File.stat(path),
         {:private, true, _} <- {:private, (mode &&& @by_others) == 0, mode},
         {:ok, text} <- File.read(path) do
      parse(path, String.split(text, "\n", trim: true))
    else
      {:private, false, mode} ->
        mode = mode |> band(0o777) |> Integer.to_string(8)
        {:error, Error.new(:discover, path, {:confirmed_by_others, mode})}

      {:ok, _too_large} ->
        bad(path, 1)

      # Nothing is confirmed yet.
      {:error, :enoent} ->
        {:ok, %__MODULE__{path: path}}

      {:error, reason} ->
        {:error, Error.new(:discover, path, {:not_read, reason})}
    end
  end

  defp parse(path, [@header | lines]) do
    words = Enum.map(lines, &String.split/1)

    case Enum.find_index(words, &(not entry?(&1))) do
      nil -> {:ok, %__MODULE__{path: path, lines: words}}
      index -> bad(path, index + 2)
    end
  end

  defp parse(path, _lines), do: bad(path, 1)

  defp bad(path, line), do: {:error, Error.new(:discover, path, {:bad_confirmed, line})}

  defp entry?([kind, _name]) when kind in ["node", "adb"], do: true
  defp entry?(["ssh", _host, "SHA256:" <> _]), do: true
  defp entry?(_words), do: false

  @doc """
  Whether a device is confirmed. `keys` returns the keys of a host, and is called only for a host that was
  confirmed before. `:confirmed` comes with those of its public keys that were confirmed.
  """
  @spec verdict(t(), way(), (String.t() -> [HostKey.t()])) ::
          {:confirmed, [String.t()]} | :changed | :unknown
  def verdict(confirmed, {:ssh, host}, keys) do
    known = for ["ssh", ^host, key] <- confirmed.lines, do: key

    with [_ | _] <- known,
         [_ | _] = same <- for(key <- keys.(host), key.fingerprint in known, do: key.public) do
      {:confirmed, same}
    else
      [] -> if known == [], do: :unknown, else: :changed
    end
  end

  def verdict(confirmed, {kind, name}, _keys),
    do: if([to_string(kind), name] in confirmed.lines, do: {:confirmed, []}, else: :unknown)

  @doc "Remembers a device, replacing what was known about its keys. `keys` are its fingerprints."
  @spec add(t(), way(), [String.t()]) :: {:ok, t()} | {:error, Error.t()}
  def add(confirmed, way, keys \\ [])

  def add(confirmed, {:ssh, host}, keys) do
    others = Enum.reject(confirmed.lines, &match?(["ssh", ^host, _], &1))
    write(%{confirmed | lines: others ++ for(key <- keys, do: ["ssh", host, key])})
  end

  def add(confirmed, {kind, name}, _keys),
    do: write(%{confirmed | lines: Enum.uniq(confirmed.lines ++ [[to_string(kind), name]])})

  defp write(%{path: nil} = confirmed), do: {:ok, confirmed}

  defp write(%{path: path} = confirmed) do
    text = Enum.map([[@header] | confirmed.lines], &[Enum.intersperse(&1, " "), ?\n])

    case StateFile.replace(path, text, 0o600) do
      :ok -> {:ok, confirmed}
      {:error, reason} -> {:error, Error.new(:discover, path, {:not_written, reason})}
    end
  end
end
