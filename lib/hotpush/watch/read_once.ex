defmodule Hotpush.Watch.ReadOnce do
  @moduledoc """
  The files that Mix reads only when it starts, such as `mix.exs`. If one of them changes, a watch has to
  start again.
  """

  @typedoc "The content of each file."
  @type t :: %{Path.t() => binary()}

  @doc "Reads the files at and below these paths. What does not exist is left out."
  @spec read([Path.t()]) :: t()
  def read(paths) do
    for path <- paths,
        file <- [path | Path.wildcard(path <> "/**", match_dot: true)],
        {:ok, content} <- [File.read(file)],
        into: %{},
        do: {file, content}
  end

  @doc "The folders to watch, so that a change of one of these files is seen: `{folder, below?}`."
  @spec folders([Path.t()]) :: [{Path.t(), boolean()}]
  def folders(paths) do
    beside = for path <- paths, do: {Path.dirname(path), false}
    below = for path <- paths, File.dir?(path), do: {path, true}
    Enum.uniq(beside ++ below)
  end

  @doc """
  Compares the files with what was read before: the same, changed, or changed into something that is not
  Elixir, with the name of that file. (Mix would end with it, and not start again.)
  """
  @spec compare(t(), t()) :: :same | {:changed, Path.t()} | {:broken, Path.t()}
  def compare(before, now) do
    changed = for {file, content} <- now, before[file] != content, do: file
    gone = Map.keys(before) -- Map.keys(now)
    broken = Enum.find(changed, &(Path.extname(&1) == ".exs" and broken?(now[&1])))

    case {broken, changed ++ gone} do
      {nil, []} -> :same
      {nil, [file | _]} -> {:changed, file}
      {broken, _} -> {:broken, broken}
    end
  end

  defp broken?(source), do: match?({:error, _}, Code.string_to_quoted(source))
end
