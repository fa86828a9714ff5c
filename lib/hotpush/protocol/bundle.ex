defmodule Hotpush.Protocol.Bundle do
  @moduledoc """
  Many modules as one compressed term. Pure. `src/hotpush_stage.erl` takes it apart.

  The chunks of one kind lie beside each other: the names of all modules, then their code, and so on.
  So they are smaller together than each module by itself, by a fifth (Elixir's own modules) to more than
  a half (modules that resemble each other).
  """

  alias Hotpush.Scanner.Portable.Beam

  @type file :: {name :: String.t(), app :: atom(), content :: binary()}

  @doc """
  Packs modules. The device gets each of them back with the same chunks in the order of the others, and
  any other content as it is.
  """
  @spec pack([file(), ...]) :: binary()
  def pack(files) do
    split = for {_name, _app, content} <- files, do: split(content)
    ids = split |> Enum.flat_map(&for({id, _data} <- &1, do: id)) |> Enum.uniq()
    columns = for id <- ids, do: {id, Enum.map(split, &data(&1, id))}
    named = for {name, app, _content} <- files, do: {name, app}
    :erlang.term_to_binary({named, columns}, [:compressed])
  end

  defp split(content) do
    case Beam.parse(content) do
      {:ok, chunks} -> for {id, data} <- chunks, do: {String.to_charlist(id), data}
      {:error, _flaw} -> [{:whole, content}]
    end
  end

  defp data(chunks, id) do
    with {_id, data} <- List.keyfind(chunks, id, 0, :none), do: data
  end
end
