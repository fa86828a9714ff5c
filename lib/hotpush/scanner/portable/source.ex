defmodule Hotpush.Scanner.Portable.Source do
  @moduledoc """
  Finds the files, and reads one that a compiler may be writing at this moment.
  """

  alias Hotpush.Scanner.Portable.Gzip

  @typedoc "With the POSIX name of the system's error, where it was one."
  @type flaw ::
          {kind :: atom(), detail :: String.t()}
          | {kind :: atom(), posix :: atom(), detail :: String.t()}

  # With these, there is no such folder; with any other, it cannot be read.
  @missing [:enoent, :enotdir, :einval, :enametoolong]

  @doc "The paths of the beams directly inside a folder."
  @spec list(String.t()) :: {:ok, [String.t()]} | {:error, flaw()}
  def list(dir) do
    case :file.list_dir_all(dir) do
      {:ok, names} ->
        {:ok, for(name <- names, name = bytes(name), beam?(name), do: join(dir, name))}

      {:error, reason} ->
        {:error, no_list(posix(reason))}
    end
  end

  defp no_list(posix) when posix in @missing, do: {:missing_folder, posix, describe(posix)}
  defp no_list(posix), do: {:unreadable, posix, describe(posix)}

  @typedoc "What changes when the content does; the times in seconds."
  @type stat ::
          {size :: integer(), mtime :: integer(), ctime :: integer(), inode :: integer()}

  @typep reader :: (String.t(), size :: integer() -> {:ok, binary()} | {:error, term()})

  @doc "The content of a file that stayed the same around the reading, tried twice."
  @spec read(String.t(), reader()) :: {:ok, binary()} | {:error, flaw()}
  def read(path, reader \\ &whole/2) do
    with {:ok, before} <- stat(path),
         {:ok, content, _moment} <- read_at(path, before, reader),
         do: {:ok, content}
  end

  @doc "The same, given a stat of before; with the stat and the second of the reading."
  @spec read_at(String.t(), stat(), reader()) ::
          {:ok, binary(), {stat(), integer()}} | {:error, flaw()}
  def read_at(path, before, reader \\ &whole/2), do: read(path, reader, before, 2)

  defp read(_path, _reader, _before, 0),
    do: {:error, {:changed_while_reading, "changed twice"}}

  defp read(path, reader, before, times) do
    read_at = System.os_time(:second)

    with :ok <- small_enough(before),
         {:ok, content} <- content(reader.(path, elem(before, 0))),
         {:ok, later} <- stat(path) do
      if later == before,
        do: {:ok, content, {before, read_at}},
        else: read(path, reader, later, times - 1)
    end
  end

  defp content({:ok, content}), do: {:ok, content}
  defp content({:error, :enoent}), do: {:error, vanished()}
  defp content({:error, reason}), do: {:error, unreadable(reason)}

  # Raw: otherwise, one process of the VM reads all files, one after the other.
  defp whole(path, size) do
    with {:ok, file} <- :file.open(path, [:raw, :binary, :read]) do
      content = :file.read(file, size)
      :ok = :file.close(file)
      if content == :eof, do: {:ok, ""}, else: content
    end
  end

  @doc "Stats what the path leads to. Only a regular file is one: others could block, or never end."
  @spec stat(String.t()) :: {:ok, stat()} | {:error, flaw()}
  def stat(path) do
    case info(:file.read_file_info(path, [:raw, time: :posix])) do
      {:ok, %File.Stat{type: :regular} = stat} ->
        {:ok, {stat.size, stat.mtime, stat.ctime, stat.inode}}

      {:ok, _other} ->
        {:error, {:unreadable, "not a regular file"}}

      {:error, reason} ->
        {:error, no_stat(reason, info(:file.read_link_info(path, [:raw])))}
    end
  end

  defp info({:ok, record}), do: {:ok, File.Stat.from_record(record)}
  defp info(error), do: error

  defp no_stat(reason, {:ok, %File.Stat{type: :symlink}}) when reason != :eacces,
    do: {:dangling_link, reason, describe(reason)}

  defp no_stat(_reason, {:error, :enoent}), do: vanished()
  defp no_stat(reason, _lstat), do: unreadable(reason)

  defp vanished, do: {:vanished, :enoent, "was there a moment ago"}
  defp unreadable(reason), do: {:unreadable, posix(reason), describe(reason)}

  # What :file says of a path with a zero byte.
  defp posix(:badarg), do: :einval
  defp posix(reason), do: reason

  defp small_enough({size, _mtime, _ctime, _inode}) do
    if size <= Gzip.max_bytes(),
      do: :ok,
      else: {:error, {:too_large, "more than #{Gzip.max_bytes()} bytes"}}
  end

  # A name of ".beam" alone has no extension.
  defp beam?(name), do: String.ends_with?(name, ".beam") and name != ".beam"

  defp join("/", name), do: "/" <> name
  defp join(dir, name), do: dir <> "/" <> name

  # File names are bytes, whatever the locale says.
  defp bytes(name) when is_binary(name), do: name
  defp bytes(name), do: :unicode.characters_to_binary(name, :unicode, encoding())

  defp encoding do
    case :file.native_name_encoding() do
      :latin1 -> :latin1
      :utf8 -> :unicode
    end
  end

  defp describe(reason), do: List.to_string(:file.format_error(reason))
end
