defmodule Hotpush.Test.BeamsTest do
  @moduledoc """
  Generated modules. Without it, tests and benches could compare modules that do not differ.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Beams, Run}

  test "the same numbers give the same code, and changed ones another" do
    [one, two, three] = for _ <- 1..3, do: Run.dir("ebin")
    assert Beams.compile(one, 1..4) == 4
    assert Beams.compile(two, 1..4) == 4
    assert Beams.compile(three, 1..4, [3]) == 4
    assert md5s(one) == md5s(two)
    assert [{Varied.Mod0003, _}] = md5s(three) -- md5s(one)
    assert Beams.modules(4) == Enum.map(md5s(one), &elem(&1, 0))
  end

  defp md5s(dir) do
    for beam <- Enum.sort(Path.wildcard(dir <> "/*.beam")) do
      {:ok, identity} = :beam_lib.md5(to_charlist(beam))
      identity
    end
  end

  test "a farm has as many beams as asked for" do
    ebins = Beams.farm(Run.dir("farm"), 300)
    assert ebins |> Enum.flat_map(&Path.wildcard(&1 <> "/*.beam")) |> length() == 300
  end
end
