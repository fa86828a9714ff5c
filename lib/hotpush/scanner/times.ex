defmodule Hotpush.Scanner.Times do
  @moduledoc "The times of files."

  alias Hotpush.Native

  @doc """
  All files at and below these paths, each with the second (Unix time) in which it was last written.
  Follows links. Leaves out what cannot be read.
  """
  @spec of([Path.t()]) :: [{Path.t(), integer()}]
  def of(paths) do
    paths = Enum.map(paths, &IO.chardata_to_string/1)
    if Native.loaded?(), do: Native.times(paths), else: portable(paths)
  end

  @doc "The same as `of/1`, with OTP only."
  @spec portable([Path.t()]) :: [{Path.t(), integer()}]
  def portable(paths), do: Enum.flat_map(paths, &portable(&1, []))

  # `above` are the folders on the way here: following a link to one of them would never end.
  defp portable(path, above) do
    case :file.read_file_info(path, [:raw, time: :posix]) do
      {:ok, info} when elem(info, 2) == :regular ->
        [{path, elem(info, 5)}]

      {:ok, info} when elem(info, 2) == :directory ->
        # Device and inode.
        id = {elem(info, 9), elem(info, 11)}
        if id in above, do: [], else: Enum.flat_map(inside(path), &portable(&1, [id | above]))

      _ ->
        []
    end
  end

  defp inside(dir) do
    case :file.list_dir(dir) do
      {:ok, names} -> for name <- names, do: Path.join(dir, name)
      _ -> []
    end
  end
end
