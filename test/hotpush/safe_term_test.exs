defmodule Hotpush.SafeTermTest do
  @moduledoc "Terms from outside are read without harm, or rejected."
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.SafeTerm
  doctest SafeTerm

  defp encode(term, options \\ []), do: :erlang.term_to_binary(term, options)

  test "the answers of devices are read, plain and compressed" do
    for term <- [
          {:done, %{identities: [{Enum, {"md5", :none}}], failed: [], microseconds: 3}},
          [1, -1, 300, -70_000, 1.5, 123_456_789_012_345_678_901_234_567_890],
          %{otp: "25", apps: [{"a", "1.0", true, false, {"", "", [], ""}}]},
          {},
          [],
          %{},
          [1 | 2],
          ~c"text",
          List.duplicate("abc", 10_000)
        ],
        options <- [[], [:compressed], [compressed: 9]] do
      assert SafeTerm.decode(encode(term, options)) == {:ok, term}
    end
  end

  test "atoms in the form of older nodes are read, and no new atoms are made" do
    assert SafeTerm.decode(<<131, 100, 0, 4, "true">>) == {:ok, true}
    assert SafeTerm.decode(<<131, 115, 4, "true">>) == {:ok, true}
    assert SafeTerm.decode(<<131, 118, 0, 4, "true">>) == {:ok, true}

    for n <- 1..100 do
      name = "never_seen_#{n}_#{System.unique_integer([:positive])}"

      assert SafeTerm.decode(<<131, 119, byte_size(name), name::binary>>) ==
               {:error, :unknown_atom}

      assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
    end
  end

  test "a list of bytes counts with the size that it becomes" do
    part = :erlang.binary_part(encode(List.duplicate(7, 65_000)), 1, 65_003)
    many = <<131, 108, 100::32, :binary.copy(part, 100)::binary, 106>>
    assert SafeTerm.decode(many) == {:error, :too_many}
    assert {:ok, [_, _]} = SafeTerm.decode(<<131, 108, 2::32, part::binary, part::binary, 106>>)
  end

  test "anything but data is rejected, wherever it is" do
    for term <- [self(), make_ref(), &is_atom/1, fn -> :ok end, hd(Port.list())] do
      assert {:error, {:not_data, _}} = SafeTerm.decode(encode(term))
      assert {:error, {:not_data, _}} = SafeTerm.decode(encode({:ready, [%{term => 1}]}))
      assert {:error, {:not_data, _}} = SafeTerm.decode(encode([1, %{a: term}], [:compressed]))
    end
  end

  test "wrong or excessive sizes and depths are rejected" do
    deep = Enum.reduce(1..30, :none, fn _, inner -> {inner} end)
    assert SafeTerm.decode(encode(deep)) == {:error, :too_deep}
    endless = [131, List.duplicate(<<104, 1>>, 1_000_000), 106]
    assert SafeTerm.decode(IO.iodata_to_binary(endless)) == {:error, :too_deep}

    # Lengths without the content.
    for lie <- [<<108, 0xFFFFFFFF::32>>, <<116, 0xFFFFFFFF::32>>, <<105, 0xFFFFFFFF::32>>] do
      assert SafeTerm.decode(<<131, lie::binary, 97, 1>>) == {:error, :damaged}
    end

    for lie <- [<<109, 0xFFFFFFFF::32, 1>>, <<110, 200, 0, 1>>, <<119, 9, "a">>] do
      assert SafeTerm.decode(<<131, lie::binary>>) == {:error, :damaged}
    end

    many = encode(List.duplicate([], 1_100_000))
    assert SafeTerm.decode(many) == {:error, :too_many}

    # A zip bomb that states its size, and one that lies about it.
    bomb = encode(:binary.copy(<<0>>, 20 * 1024 * 1024), compressed: 9)
    assert SafeTerm.decode(bomb) == {:error, :too_large}
    <<131, 80, _::32, data::binary>> = bomb
    assert SafeTerm.decode(<<131, 80, 1_000::32, data::binary>>) == {:error, :too_large}
    assert SafeTerm.decode(<<131, 80, 1_000::32, 1, 2, 3>>) == {:error, :damaged}
  end

  test "no input makes it raise" do
    good = encode({:done, %{identities: [{Enum, {"md5", :none}}], held: [~c"ab", 1.5]}})

    for at <- 0..(byte_size(good) - 1), byte <- [0, 1, 97, 104, 108, 110, 116, 255] do
      {head, <<_, tail::binary>>} = :erlang.split_binary(good, at)
      assert {_, _} = SafeTerm.decode(<<head::binary, byte, tail::binary>>)
      assert {:error, _} = SafeTerm.decode(head)
    end

    for _ <- 1..2_000, do: assert({_, _} = SafeTerm.decode(<<131, :rand.bytes(20)::binary>>))
    assert SafeTerm.decode(good <> "more") == {:error, :damaged}
    assert SafeTerm.decode("") == {:error, :damaged}
  end
end
