defmodule Hotpush.StubTest do
  @moduledoc """
  The empty module in the place of a removed one. Without these tests, a removed module could come back
  at the next call.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.Stub

  test "a stub is an empty module of any name, stamped as removed" do
    for name <-
          ["a", "Elixir.Gone", "fifteen_letters", "sixteen__letters", "Elixir.Käse"] ++
            [String.duplicate("long", 60)] do
      beam = Stub.beam(name, :desk)
      module = :"#{name}"
      assert {:module, ^module} = :code.load_binary(module, ~c"stub.beam", beam)
      assert module.module_info(:compile)[:hotpush] == {:desk, :removed}
      assert module.module_info(:exports) == [module_info: 0, module_info: 1]
      assert module.module_info(:module) == module
      assert {:ok, {^module, _}} = :beam_lib.info(beam) |> then(&{:ok, {&1[:module], &1}})
      :code.delete(module)
      :code.purge(module)
    end
  end

  test "no atom is made of the name" do
    name = "gone_#{System.unique_integer([:positive])}"
    assert is_binary(Stub.beam(name, :desk))
    assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
  end
end
