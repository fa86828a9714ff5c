defmodule Hotpush.Scanner.Portable.Manifest do
  @moduledoc """
  What earlier scans found out, so that a file that did not change is not read again.

  The file: a mark, the MD5 of what follows, and the external term
  `{kept chunks, [record]}`. The MD5 is against damage. Anybody can compute one, so what is decoded
  has a bounded size, makes no atom, and is checked field by field. Whatever is wrong with the file,
  it counts as empty.
  """

  alias Hotpush.Scanner.Portable.{Identity, Source}
  alias Hotpush.StateFile

  @mark "hotpush scan p01"
  @max_bytes 16 * 1024 * 1024

  # The times of files have seconds here: a file may change again within one, with nothing to see.
  @settled 2

  @typedoc "By path. The digest is `\"\"` as long as nobody has asked for it."
  @type t :: %{String.t() => {Source.stat(), Identity.t(), digest :: binary()}}

  @doc "Reads it. `keep` as for a scan: what was found out for other chunks is of no use."
  @spec load(Path.t() | nil, [String.t()]) :: t()
  def load(nil, _keep), do: %{}

  def load(path, keep) do
    with {:ok, %{size: size}} when size <= @max_bytes <- File.stat(path),
         {:ok, <<@mark, md5::binary-size(16), body::binary>>} <- File.read(path),
         true <- :erlang.md5(body) == md5,
         {:ok, {^keep, records}} <- term(body),
         {:ok, manifest} <- records(records, %{}) do
      manifest
    else
      _ -> %{}
    end
  end

  # Compressed, a few bytes could become very many.
  defp term(<<131, 80, _::binary>>), do: :error

  defp term(body) do
    {:ok, :erlang.binary_to_term(body, [:safe])}
  rescue
    ArgumentError -> :error
  end

  defp records([], manifest), do: {:ok, manifest}

  defp records([record | rest], manifest) do
    with {path, stat, identity, digest} <- record,
         true <- is_binary(path) and stat?(stat) and digest?(digest),
         {:ok, identity} <- identity(identity) do
      records(rest, Map.put(manifest, path, {stat, identity, digest}))
    else
      _ -> :error
    end
  end

  defp records(_other, _manifest), do: :error

  defp stat?({size, mtime, ctime, inode}),
    do: Enum.all?([size, mtime, ctime, inode], &is_integer/1)

  defp stat?(_other), do: false

  defp digest?(digest), do: is_binary(digest) and byte_size(digest) in [0, 32]

  defp identity(
         {module, <<_::128>> = md5, <<_::128>> = bare_md5, line_md5, <<_::128>> = rest_md5}
       )
       when is_binary(module) and is_binary(line_md5) and byte_size(line_md5) in [0, 16] do
    identity = %{
      module: module,
      md5: md5,
      bare_md5: bare_md5,
      line_md5: line_md5,
      rest_md5: rest_md5
    }

    if String.valid?(module), do: {:ok, identity}, else: :error
  end

  defp identity(_other), do: :error

  @doc "What it says of a file that is as it was then."
  @spec find(t(), String.t(), Source.stat()) :: {:ok, Identity.t(), digest :: binary()} | :error
  def find(manifest, path, stat) do
    # Also not if the clock was put back since.
    with %{^path => {^stat, identity, digest}} <- manifest,
         true <- settled?(stat, System.os_time(:second)) do
      {:ok, identity, digest}
    else
      _ -> :error
    end
  end

  @doc "Says whether a file with this stat, read at this second, can be relied on later."
  @spec settled?(Source.stat(), integer()) :: boolean()
  def settled?({_size, mtime, ctime, _inode}, read_at),
    do: max(mtime, ctime) + @settled <= read_at

  @doc "Writes it. If that fails, the next scan is only slower."
  @spec save(t(), Path.t(), [String.t()]) :: :ok
  def save(manifest, path, keep) do
    records =
      for {file, {stat, identity, digest}} <- Enum.sort(manifest) do
        {file, stat,
         {identity.module, identity.md5, identity.bare_md5, identity.line_md5, identity.rest_md5},
         digest}
      end

    body = :erlang.term_to_binary({keep, records})
    _ = StateFile.replace(path, [@mark, :erlang.md5(body), body])
    :ok
  end
end
