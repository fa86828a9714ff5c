defmodule Hotpush.Project.LateSaves do
  @moduledoc """
  Finds sources that were saved in the same second in which they were compiled.

  Mix detects a change by a source's size and its time in whole seconds. If the source is saved after
  the compilation, but in the same second and with the same size, neither changes. Such a source gets
  a later time, so that Mix compares its content with what it compiled.
  """

  alias Hotpush.Project.LateSaves.Record
  alias Hotpush.Scanner.Times

  @typedoc "Folders with sources, the folder of their beams, and the compilers' manifests."
  @type place :: {sources :: [Path.t()], ebin :: Path.t(), manifests :: [Path.t()]}

  @typedoc "A place, its sources that got a later time, and the digests of those saved just now."
  @type shown :: %{place: place(), late: [Path.t()], digests: Record.digests()}

  @doc """
  Gives a later time to each source for which neither the time nor the record shows whether it changed.

  No time is set back or into the future, so a save in the meantime is still detected. If the second in
  question is not over, this waits for its end.
  """
  @spec show(place(), Record.t()) :: shown()
  def show({sources, ebin, manifests} = place, record) do
    now = System.os_time(:second)
    saved = Times.of(sources)
    compiled = for {_file, time} <- Times.of([ebin | manifests]), into: MapSet.new(), do: time
    candidates = for {path, time} <- saved, MapSet.member?(compiled, time), do: path
    known = unchanged(candidates, place, record)

    late =
      case Enum.reject(candidates, &Map.has_key?(known, &1)) do
        [] -> []
        late -> touch(late, Enum.max(compiled))
      end

    # Read before the compiler reads them, so a later save differs from this.
    recent = for {path, time} <- saved, time >= now, do: path
    %{place: place, late: late, digests: Map.merge(known, Record.digests(late ++ recent))}
  end

  @doc "The record, once all these places have been compiled."
  @spec record([shown()]) :: Record.t()
  def record(shown) do
    for %{place: {_, ebin, manifests}, digests: digests} <- shown, reduce: %{} do
      record -> Map.merge(record, Record.entry(ebin, manifests, digests))
    end
  end

  defp unchanged([], _place, _record), do: %{}

  defp unchanged(candidates, {_, ebin, manifests}, record) do
    said = Record.of(record, ebin, manifests)
    now = candidates |> Enum.filter(&Map.has_key?(said, &1)) |> Record.digests()
    for {path, digest} <- now, said[path] == digest, into: %{}, do: {path, digest}
  end

  defp touch(late, last) do
    if over?(last),
      do: Enum.filter(late, &(File.touch(&1, last + 1) == :ok)),
      else: []
  end

  # Do not wait for a clock that was set back.
  defp over?(second) do
    left = (second + 1) * 1000 - System.os_time(:millisecond)
    if left in 1..1000, do: Process.sleep(left)
    left <= 1000
  end
end
