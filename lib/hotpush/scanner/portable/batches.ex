defmodule Hotpush.Scanner.Portable.Batches do
  @moduledoc "Work on many small items, in parallel."

  # A process for each would cost as much as the work.
  @size 32

  @doc "As `Enum.map/2`."
  @spec map([item], (item -> result)) :: [result] when item: term(), result: term()
  def map(items, fun) do
    items
    |> Enum.chunk_every(@size)
    |> Task.async_stream(&Enum.map(&1, fun), ordered: true, timeout: :infinity)
    |> Enum.flat_map(fn {:ok, results} -> results end)
  end
end
