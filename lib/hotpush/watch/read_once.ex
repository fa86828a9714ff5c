defmodule Hotpush.Watch.ReadOnce do
  @moduledoc """
  The files that Mix reads only when it starts, such as `mix.exs`. If one of them changes, a watch has to
  start again.
  """

  alias Hotpush.Scanner.Times

  @typedoc "The content of each file."
  @type t :: %{Path.t() => binary()}

  @doc """
  Reads the files at and below these paths. Leaves out what does not exist, and what editors write beside a
  file.
  """
  @spec read([Path.t()]) :: t()
  def read(paths) do
    for {file, _time} <- Times.of(paths),
        file in paths or not beside?(Path.basename(file)),
        {:ok, content} <- [File.read(file)],
        into: %{},
        do: {file, content}
  end

  # Vim's swap files, Emacs' locks and its automatic saves, backups.
  defp beside?(name), do: name =~ ~r/^\.|^#.*#$|~$/

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
