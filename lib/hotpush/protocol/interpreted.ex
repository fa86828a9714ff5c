defmodule Hotpush.Protocol.Interpreted do
  @moduledoc """
  Turns Erlang modules into one fun for `erl_eval`, at compile time. As text, it has less than half of the
  size of the compiled modules, and the device has nothing to load and to remove again.

  The fun has a name and two arguments: the number of a function, and the list of its arguments. It calls
  itself where a function of these modules calls another one of them.
  """

  # What is bound where the fun is called: see hotpush_question:transact/3. In a fun, as in a function, a
  # variable of the same name would be compared with these.
  @bound %{packed: :A, run: :B, given: :C, called: :D}
  @fun {:var, 1, :called}

  alias Hotpush.Protocol.Program

  @typep key :: {module(), atom(), arity()}

  @doc """
  Reads modules, each from `src`. Returns a fun of one argument, which calls `function` of the first one.
  """
  @spec read([module(), ...], atom(), Path.t()) :: tuple()
  def read([first | _] = modules, function, src) do
    sources = for module <- modules, do: {module, forms(module, src)}
    numbers = numbers(sources)

    clauses =
      for {module, forms} <- sources,
          {:function, _, name, arity, clauses} <- forms,
          clause <- clauses do
        translated(clause, {module, name, arity}, %{numbers: numbers, imports: imports(forms)})
      end

    given = {:var, 1, @bound.given}
    number = numbers[{first, function, 1}]
    call = {:call, 1, {:named_fun, 1, @bound.called, clauses}, arguments(number, [given])}
    {:fun, 1, {:clauses, [{:clause, 1, [given], [], [call]}]}}
  end

  defp forms(module, src) do
    path = src |> Path.join("#{module}.erl") |> String.to_charlist()
    {:ok, forms} = :epp.parse_file(path, includes: [String.to_charlist(src)])

    Enum.map(forms, fn
      {:function, _, _, _, _} = form -> :erl_parse.map_anno(fn _ -> 1 end, form)
      other -> other
    end)
  end

  @spec numbers([{module(), [tuple()]}]) :: %{key() => non_neg_integer()}
  defp numbers(sources) do
    keys =
      for {m, forms} <- sources, {:function, _, name, arity, _} <- forms, do: {m, name, arity}

    keys |> Enum.with_index() |> Map.new()
  end

  defp imports(forms) do
    for {:attribute, _, :import, {module, functions}} <- forms,
        {name, arity} <- functions,
        into: %{},
        do: {{name, arity}, {module, name, arity}}
  end

  defp translated({:clause, 1, patterns, guards, body}, {module, _, _} = key, known) do
    known = Map.put(known, :module, module)
    body = calls(body, known)
    clause = {:clause, 1, arguments(known.numbers[key], patterns), guards, body}
    {clause, _names} = Program.rename(clause, @bound)
    clause
  end

  # What is not among these modules may be loaded.
  defp calls(
         {:call, 1, {:remote, 1, {:atom, 1, :erlang}, {:atom, 1, :module_loaded}} = called,
          given},
         known
       ) do
    with [{:atom, 1, name}] <- given,
         true <- Enum.any?(known.numbers, fn {{module, _, _}, _} -> module == name end) do
      {:atom, 1, true}
    else
      _ -> {:call, 1, called, calls(given, known)}
    end
  end

  defp calls({:call, 1, called, arguments}, known) do
    arguments = calls(arguments, known)

    case known.numbers[key(called, length(arguments), known)] do
      nil -> {:call, 1, calls(called, known), arguments}
      number -> {:call, 1, @fun, arguments(number, arguments)}
    end
  end

  defp calls({:fun, 1, {:function, name, arity}}, known) do
    variables = for n <- 1..arity, do: {:var, 1, :"Argument#{n}"}
    call = calls({:call, 1, {:atom, 1, name}, variables}, known)
    {:fun, 1, {:clauses, [{:clause, 1, variables, [], [call]}]}}
  end

  defp calls(tuple, known) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> calls(known) |> List.to_tuple()

  defp calls([head | tail], known), do: [calls(head, known) | calls(tail, known)]
  defp calls(other, _known), do: other

  defp key({:atom, 1, name}, arity, known),
    do: Map.get(known.imports, {name, arity}, {known.module, name, arity})

  defp key({:remote, 1, {:atom, 1, module}, {:atom, 1, name}}, arity, _known),
    do: {module, name, arity}

  defp key(_called, _arity, _known), do: nil

  defp arguments(number, terms) do
    list = List.foldr(terms, {nil, 1}, fn term, list -> {:cons, 1, term, list} end)
    [{:integer, 1, number}, list]
  end
end
