defmodule Hotpush.AgentsTest do
  @moduledoc "What travels with a push: its size, and that no more travels than is needed."
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.{Agents, Question, Stub}

  defp erlang(source) do
    forms =
      for form <- String.split(source, "\n", trim: true) do
        {:ok, tokens, _} = form |> String.to_charlist() |> :erl_scan.string()
        {:ok, form} = :erl_parse.parse_form(tokens)
        form
      end

    {:ok, module, beam} = :compile.forms(forms, [])
    {to_string(module), :desk, beam}
  end

  defp run(load, remove) do
    steps = for {kind, [_ | _] = list} <- [load: load, remove: remove], do: {kind, list}
    names(Agents.run(%{steps: steps}))
  end

  # Those that travel as text, and those that travel compiled.
  defp names({interpreted, loaded}), do: {interpreted, Enum.map(loaded, &elem(&1, 0))}

  test "on_load and who lives by what come where they are needed" do
    plain = erlang("-module(agents_plain).\n-export([v/0]).\nv() -> on_load.")
    starts = erlang("-module(agents_starts).\n-on_load(go/0).\ngo() -> ok.")
    gone = [{"gone", :desk, Stub.beam("gone", :desk)}]
    core = [:hotpush_agent]

    assert run([plain], []) == {core, []}
    assert run([plain, starts], []) == {core ++ [:hotpush_on_load], []}
    assert run([], gone) == {core ++ [:hotpush_remove], [:hotpush_lives]}

    assert run([starts], gone) ==
             {core ++ [:hotpush_on_load, :hotpush_remove], [:hotpush_lives]}

    # The loader here does not tell, so it may be one.
    assert run([{"agents_plain", :desk, "no beam"}], []) == {core ++ [:hotpush_on_load], []}
    # It was asked, and has loaded nothing.
    refute :erlang.module_loaded(:agents_plain)

    assert {[], [:hotpush_stage | all]} = names(Agents.stage())
    assert Enum.sort(all) == ~w(hotpush_agent hotpush_lives hotpush_on_load hotpush_remove)a
    assert names(Agents.lives()) == {[], [:hotpush_lives]}
  end

  # Each push that loads brings the first; bench/README.md says how much all of it may be.
  test "none of them grows unseen" do
    {[], loaded} = Agents.stage()
    sizes = Map.new(loaded, fn {module, beam} -> {module, byte_size(:zlib.gzip(beam))} end)

    for {module, most} <- [
          hotpush_agent: 5_800,
          hotpush_on_load: 3_000,
          hotpush_lives: 5_000,
          hotpush_remove: 1_300,
          hotpush_stage: 1_400
        ],
        do: assert({module, sizes[module]} <= {module, most})

    # With the program that runs them.
    for {modules, most} <- Enum.zip(Agents.interpreted(), [3_900, 3_600, 3_200, 2_800]) do
      {:erl_eval, :expr, [_, bindings, _, _, _]} =
        Question.transact({modules, []}, :run, %{}, "ada@host")

      assert {modules, byte_size(bindings[:P])} <= {modules, most}
    end
  end
end
