defmodule Hotpush.Protocol.Question do
  @moduledoc """
  The programs that a device evaluates.

  They are the bodies of the functions in `src/hotpush_question.erl`, which this module reads and makes
  small when it is compiled. `:erl_eval` runs them on a device on which nothing of Hotpush is installed.
  """

  alias Hotpush.Protocol.{Agents, Interpreted, Program}

  @source Path.expand("../../../src/hotpush_question.erl", __DIR__)
  @external_resource @source
  @external_resource Path.expand("../../../src/hotpush_look.hrl", __DIR__)

  @link Path.expand("../../../src/hotpush_link.erl", __DIR__)
  @external_resource @link

  @src Path.dirname(@source)
  for module <- Enum.uniq(Enum.concat(Agents.interpreted())),
      do: @external_resource(Path.join(@src, "#{module}.erl"))

  @read Program.read(@source, [String.to_charlist(@src)])
  @programs for {name, {block, variables}} <- @read,
                name != :transact,
                into: %{},
                do: {name, {Program.text(block), variables}}

  # A transaction in which `Run` is what the agent has to do.
  transact = fn run ->
    %{transact: {{:block, 1, body}, [packed, variable, who]}} = @read
    block = {:block, 1, [{:match, 1, {:var, 1, variable}, run} | body]}
    {Program.text(block), [packed, who]}
  end

  @interpreted Map.new(Agents.interpreted(), fn modules ->
                 {{modules, :run}, transact.(Interpreted.read(modules, :run, @src))}
               end)
  @loaded (for {module, function} <- [
                 hotpush_stage: :stage,
                 hotpush_lives: :lives,
                 hotpush_lives: :orphaned
               ],
               into: %{} do
             run =
               {:fun, 1, {:function, {:atom, 1, module}, {:atom, 1, function}, {:integer, 1, 1}}}

             {{[], function}, transact.(run)}
           end)
  @transacts Map.merge(@interpreted, @loaded)
  @links Program.read(@link, [])

  # Unpacks a program there. With `value`, `erl_eval:expr/5` returns no bindings, which would send
  # everything back.
  {:ok, tokens, _} =
    :erl_scan.string(~c"""
    erl_eval:expr(
        hd(element(2, erl_parse:parse_exprs(
            element(2, erl_scan:string(binary_to_list(zlib:uncompress(P))))))),
        B, none, none, value).
    """)

  {:ok, [unpack]} = :erl_parse.parse_exprs(tokens)
  @unpack unpack

  @type t :: {:erl_eval, :expr, [term()]}

  @doc "The call that asks for facts and identities: see `hotpush_question:ask/6`."
  @spec ask([atom()], [atom()], [module()], [{atom(), binary()}], binary(), pos_integer()) :: t()
  def ask(apps, own, extra, known, seen, cut),
    do: program(:ask, [apps, own, extra, known, seen, cut])

  @doc """
  The call that brings the agent's modules (see `Hotpush.Protocol.Agents`) and calls a function of
  theirs: see `hotpush_question:transact/3`. `who` is shown to others who find the device busy.
  """
  @spec transact(Agents.t(), :run | :stage | :lives | :orphaned, term(), String.t()) :: t()
  def transact({interpreted, loaded}, function, argument, who) do
    packed = :erlang.term_to_binary({loaded, argument}, compressed: 9)
    @transacts |> Map.fetch!({interpreted, function}) |> program([packed, who])
  end

  @doc "The call that waits until nothing of a broken visit is running: see `hotpush_question:settle/2`."
  @spec settle(charlist() | :none, pos_integer()) :: t()
  def settle(link, ms), do: program(:settle, [link, ms])

  @doc """
  The program that serves a visit over ssh, as an expression without variables: see
  `hotpush_link:serve/1`. `silence` (ms) is how long it waits for a message from the host.
  """
  @spec link(pos_integer()) :: tuple()
  def link(silence) do
    {{:block, 1, body}, [variable]} = Map.fetch!(@links, :serve)
    {:block, 1, [{:match, 1, {:var, 1, variable}, {:integer, 1, silence}} | body]}
  end

  defp program(name, arguments) when is_atom(name),
    do: @programs |> Map.fetch!(name) |> program(arguments)

  defp program({text, variables}, arguments) do
    bindings = Map.new(Enum.zip(variables, arguments))
    {:erl_eval, :expr, [@unpack, [B: bindings, P: text], :none, :none, :value]}
  end
end
