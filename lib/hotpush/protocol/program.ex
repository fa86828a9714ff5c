defmodule Hotpush.Protocol.Program do
  @moduledoc "Turns the bodies of Erlang functions into small programs for `erl_eval`, at compile time."

  @typedoc "An expression, and the variables that stand for its function's arguments."
  @type t :: {tuple(), [atom()]}

  @doc """
  Reads an Erlang file: the body of each function, which has one clause.

  A device does not need names and positions. So variables are renamed in the order in which they first
  occur, the arguments first, and every line is 1.
  """
  @spec read(Path.t(), [charlist()]) :: %{atom() => t()}
  def read(path, includes) do
    {:ok, forms} = :epp.parse_file(String.to_charlist(path), [{:includes, includes}])

    for {:function, _, name, _, [{:clause, _, arguments, [], body}]} <- forms, into: %{} do
      block = :erl_parse.map_anno(fn _ -> 1 end, {:block, 1, body})
      {variables, names} = rename(for({:var, _, v} <- arguments, do: {:var, 1, v}), %{})
      {block, _names} = rename(block, names)
      {name, {block, for({:var, 1, variable} <- variables, do: variable)}}
    end
  end

  @doc """
  An expression as compressed text, without unnecessary spaces and with a full stop at the end. It has
  three quarters of the size of the same expression as a compressed term. A device parses it in a
  millisecond, a small board in a few.

      iex> tuple = {:tuple, 1, [{:var, 1, :V0}, {:op, 1, :>, {:var, 1, :V1}, {:integer, 1, -1}}]}
      iex> tuple |> Hotpush.Protocol.Program.text() |> :zlib.uncompress()
      "{V0,V1> -1}."
  """
  @spec text(tuple()) :: binary()
  def text(expression) do
    {:ok, tokens, _} =
      expression
      |> :erl_pp.expr()
      |> IO.chardata_to_string()
      |> String.to_charlist()
      |> :erl_scan.string(1, [:text])

    tokens |> Enum.map(&:erl_scan.text/1) |> joined() |> IO.iodata_to_binary() |> :zlib.compress()
  end

  # Without a space, two words or two operators would become one.
  defp joined([text, next | rest]) do
    apart? = kind(List.last(text)) == kind(hd(next)) and kind(hd(next)) != :bracket
    [text, if(apart?, do: " ", else: "") | joined([next | rest])]
  end

  defp joined([last]), do: [last, "."]

  defp kind(char) when char in ~c"()[]{},;", do: :bracket

  defp kind(char) when char in ?0..?9 or char in ?a..?z or char in ?A..?Z or char in ~c"_@",
    do: :word

  defp kind(_char), do: :operator

  @doc """
  Gives short names to the variables of a term of parsed code whose every line is 1. `names` are those
  that are already given.
  """
  @spec rename(term(), %{atom() => atom()}) :: {term(), %{atom() => atom()}}
  def rename({:var, 1, :_} = any, names), do: {any, names}

  def rename({:var, 1, variable}, names) do
    short = names[variable] || short(map_size(names))
    {{:var, 1, short}, Map.put(names, variable, short)}
  end

  # A named fun has the bare name of its variable.
  def rename({:named_fun, 1, variable, clauses}, names) do
    {{:var, 1, short}, names} = rename({:var, 1, variable}, names)
    {clauses, names} = rename(clauses, names)
    {{:named_fun, 1, short, clauses}, names}
  end

  def rename(tuple, names) when is_tuple(tuple) do
    {list, names} = rename(Tuple.to_list(tuple), names)
    {List.to_tuple(list), names}
  end

  def rename([head | tail], names) do
    {head, names} = rename(head, names)
    {tail, names} = rename(tail, names)
    {[head | tail], names}
  end

  def rename(other, names), do: {other, names}

  # A to Z, A1 to Z1, and so on.
  defp short(number) when number < 26, do: :"#{<<?A + number>>}"
  defp short(number), do: :"#{<<?A + rem(number, 26)>>}#{div(number, 26)}"
end
