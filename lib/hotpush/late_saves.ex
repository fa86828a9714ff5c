defmodule Hotpush.LateSaves do
  @moduledoc """
  Sources that were saved in the very second in which they were compiled.

  Mix knows that a source changed by its size and its time in whole seconds. A save of equal size
  in the second of the compilation, but after it, changes neither. Such a source gets a later
  time: Mix then compares its content with what it compiled.
  """

  @typedoc "Folders with sources, the folder of their beams, and the compilers' manifests."
  @type place :: {sources :: [Path.t()], ebin :: Path.t(), manifests :: [Path.t()]}

  @doc """
  Gives a later time to each source of which the second cannot tell; answers these sources.

  No time is set back or into the future: what is saved meanwhile is seen all the same. Where the
  second in question is not over, this waits for its end.
  """
  @spec show(place()) :: [Path.t()]
  def show({sources, ebin, manifests}) do
    compiled = seconds(manifests ++ beams(ebin))

    case for({path, time} <- times(sources), MapSet.member?(compiled, time), do: path) do
      [] -> []
      late -> touch(late, Enum.max(compiled))
    end
  end

  defp touch(late, last) do
    if over?(last),
      do: Enum.filter(late, &(File.touch(&1, last + 1) == :ok)),
      else: []
  end

  defp beams(ebin) do
    case :file.list_dir(ebin) do
      {:ok, names} ->
        for name <- names, :filename.extension(name) == ~c".beam", do: [ebin, ?/, name]

      _ ->
        []
    end
  end

  defp seconds(paths),
    do: for({:ok, info} <- Enum.map(paths, &info/1), into: MapSet.new(), do: mtime(info))

  # All files: a template is a source of the module that it is compiled into.
  defp times(paths) do
    Enum.flat_map(paths, fn path ->
      case info(path) do
        {:ok, info} ->
          if elem(info, 2) == :directory, do: times(inside(path)), else: [{path, mtime(info)}]

        _ ->
          []
      end
    end)
  end

  defp inside(dir) do
    case :file.list_dir(dir) do
      {:ok, names} -> for name <- names, do: Path.join(dir, name)
      _ -> []
    end
  end

  defp info(path), do: :file.read_file_info(path, [:raw, time: :posix])
  defp mtime(info), do: elem(info, 5)

  # A clock that was set back is nothing to wait for.
  defp over?(second) do
    left = (second + 1) * 1000 - System.os_time(:millisecond)
    if left in 1..1000, do: Process.sleep(left)
    left <= 1000
  end
end
