defmodule Hotpush.Transport.Ssh.FrameTest do
  use ExUnit.Case, async: true

  alias Hotpush.Transport.Ssh
  alias Hotpush.Transport.Ssh.{Command, Frame}
  doctest Command
  doctest Hotpush.Transport.Ssh.KnownHost

  # As src/hotpush_link.erl reads them.
  defp read(lines) do
    lines
    |> IO.iodata_to_binary()
    |> String.split("\n", trim: true)
    |> Enum.map_join(fn <<mark, text::binary>> when mark in ~c"+." -> Base.decode64!(text) end)
    |> :erlang.binary_to_term()
  end

  defp answer(term), do: "hotpush #{Base.encode64(:erlang.term_to_binary(term))}"

  test "requests of any size go out in lines that a small device reads quickly" do
    for size <- [0, 1, 12_287, 12_288, 12_289, 100_000] do
      term = {:call, 1, {:m, :f, [:rand.bytes(size)]}}
      lines = Frame.encode(term)
      assert read(lines) == term
      texts = lines |> IO.iodata_to_binary() |> String.split("\n", trim: true)
      assert Enum.all?(texts, &(byte_size(&1) < 16_500))

      {last, others} = List.pop_at(texts, -1)
      assert String.first(last) == "."
      assert Enum.all?(others, &(String.first(&1) == "+"))
    end
  end

  test "answers are found, however they are cut and whatever stands around them" do
    text =
      "Welcome\n" <>
        answer({:ready, ~c"a"}) <>
        "\r\nprompt> " <> answer({1, :answer, "x"}) <> "\nhotpush ???\nbye"

    for size <- 1..byte_size(text) do
      parts =
        for at <- 1..div(byte_size(text), size), do: binary_part(text, size * (at - 1), size)

      rest = binary_part(text, size * length(parts), byte_size(text) - size * length(parts))

      {frames, state} =
        Enum.reduce(parts ++ [rest], {[], %Frame{}}, fn part, {frames, state} ->
          {:ok, more, state} = Frame.decode(state, part)
          {frames ++ more, state}
        end)

      assert frames == [{:ready, ~c"a"}, {1, :answer, "x"}]
      assert state.noise == "Welcome\nhotpush ???\n"
    end
  end

  test "there are bounds" do
    assert {:error, {:bad_frame, {:not_data, _}}, _} =
             Frame.decode(%Frame{}, answer(self()) <> "\n")

    noise = String.duplicate("noise\n", 20_000)
    assert {:error, :too_much_noise, _} = Frame.decode(%Frame{}, noise)
    part = String.duplicate("a", 8 * 1024 * 1024)

    assert {:error, :too_large, _} =
             Enum.reduce_while(1..10, %Frame{}, fn _, state ->
               case Frame.decode(state, part) do
                 {:ok, [], state} -> {:cont, state}
                 error -> {:halt, error}
               end
             end)
  end

  test "the expression that starts it is small, and plain ASCII" do
    bootstrap = Ssh.bootstrap()
    assert byte_size(bootstrap) < 120
    assert bootstrap =~ ~r/\A[ -~]+\z/
    assert IO.iodata_length(Ssh.program()) < 4_000
  end
end
