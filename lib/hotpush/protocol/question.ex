defmodule Hotpush.Protocol.Question do
  @moduledoc """
  The programs that a device evaluates.

  They are the bodies of the functions in `src/hotpush_question.erl`, which this module reads and makes
  small when it is compiled. `:erl_eval` runs them on a device on which nothing of Hotpush is installed.
  """

  alias Hotpush.Protocol.Program

  @source Path.expand("../../../src/hotpush_question.erl", __DIR__)
  @external_resource @source
  @external_resource Path.expand("../../../src/hotpush_look.hrl", __DIR__)

  @link Path.expand("../../../src/hotpush_link.erl", __DIR__)
  @external_resource @link

  @programs for {name, {block, variables}} <- Program.read(@source, [~c"src"]),
                into: %{},
                do: {name, {Program.text(block), variables}}
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
  The call that brings the agent's modules (see `Hotpush.Protocol.Agents`) and has the first one
  work: see `hotpush_question:transact/3`. `who` is shown to others who find the device busy.
  """
  @spec transact(
          [Hotpush.Protocol.Agents.packed(), ...],
          :run | :stage | :lives | :orphaned,
          term(),
          String.t()
        ) :: t()
  def transact(agents, function, argument, who),
    do: program(:transact, [packed({agents, argument}), function, who])

  defp packed(term), do: :erlang.term_to_binary(term, compressed: 9)

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

  defp program(name, arguments) do
    {text, variables} = Map.fetch!(@programs, name)
    bindings = Map.new(Enum.zip(variables, arguments))
    {:erl_eval, :expr, [@unpack, [B: bindings, P: text], :none, :none, :value]}
  end
end
