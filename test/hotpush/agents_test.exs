defmodule Hotpush.AgentsTest do
  @moduledoc "What travels with a push: its size, and that no more travels than is needed."
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.{Agents, Stub}

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

  defp names(agents), do: Enum.map(agents, &elem(&1, 0))

  test "on_load and who lives by what come where they are needed" do
    plain = erlang("-module(agents_plain).\n-export([v/0]).\nv() -> on_load.")
    starts = erlang("-module(agents_starts).\n-on_load(go/0).\ngo() -> ok.")
    gone = [{"gone", :desk, Stub.beam("gone", :desk)}]
    core = [:hotpush_agent]

    assert run([plain], []) == core
    assert run([plain, starts], []) == core ++ [:hotpush_on_load]
    remove = [:hotpush_remove, :hotpush_lives]
    assert run([], gone) == core ++ remove
    assert run([starts], gone) == core ++ [:hotpush_on_load | remove]
    # The loader here does not tell, so it may be one.
    assert run([{"agents_plain", :desk, "no beam"}], []) == core ++ [:hotpush_on_load]
    # It was asked, and has loaded nothing.
    refute :erlang.module_loaded(:agents_plain)

    assert [:hotpush_stage | all] = names(Agents.stage())
    assert Enum.sort(all) == Enum.sort(core ++ [:hotpush_on_load | remove])
    assert names(Agents.lives()) == [:hotpush_lives]
  end

  # Each push that loads brings the first; bench/README.md says how much all of it may be.
  test "none of them grows unseen" do
    sizes =
      Map.new(Agents.stage(), fn {module, beam} -> {module, byte_size(:zlib.gzip(beam))} end)

    for {module, most} <- [
          hotpush_agent: 5_800,
          hotpush_on_load: 3_000,
          hotpush_lives: 5_000,
          hotpush_remove: 1_300,
          hotpush_stage: 1_400
        ],
        do: assert({module, sizes[module]} <= {module, most})
  end
end
