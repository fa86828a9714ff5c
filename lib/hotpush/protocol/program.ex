defmodule Hotpush.Protocol.Program do
  @moduledoc "Makes the bodies of Erlang functions small terms for `erl_eval`, at compile time."

  @doc """
  Reads an Erlang file; for each function of one clause, its body as a compressed term and the
  variables that stand for its arguments.

  Names and positions are of no use on a device: variables are numbered in the order in which they
  first occur, and every line is 1.
  """
  @spec read(Path.t(), [charlist()]) :: %{atom() => {binary(), [atom()]}}
  def read(path, includes) do
    {:ok, forms} = :epp.parse_file(String.to_charlist(path), [{:includes, includes}])

    for {:function, _, name, _, [{:clause, _, arguments, [], body}]} <- forms, into: %{} do
      block = :erl_parse.map_anno(fn _ -> 1 end, {:block, 1, body})
      {block, names} = rename(block, %{})
      variables = for {:var, _, variable} <- arguments, do: Map.fetch!(names, variable)
      {name, {:erlang.term_to_binary(block, compressed: 9), variables}}
    end
  end

  defp rename({:var, 1, :_} = any, names), do: {any, names}

  defp rename({:var, 1, variable}, names) do
    short = names[variable] || :"V#{map_size(names)}"
    {{:var, 1, short}, Map.put(names, variable, short)}
  end

  # A named fun bears its variable's name without the form around it.
  defp rename({:named_fun, 1, variable, clauses}, names) do
    {{:var, 1, short}, names} = rename({:var, 1, variable}, names)
    {clauses, names} = rename(clauses, names)
    {{:named_fun, 1, short, clauses}, names}
  end

  defp rename(tuple, names) when is_tuple(tuple) do
    {list, names} = rename(Tuple.to_list(tuple), names)
    {List.to_tuple(list), names}
  end

  defp rename([head | tail], names) do
    {head, names} = rename(head, names)
    {tail, names} = rename(tail, names)
    {[head | tail], names}
  end

  defp rename(other, names), do: {other, names}
end
