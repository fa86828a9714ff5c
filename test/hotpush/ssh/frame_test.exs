defmodule Hotpush.Transport.Ssh.FrameTest do
  @moduledoc """
  Frames in an output that others also write to. Without these tests, a device's log could garble an answer.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Transport.Ssh.{Command, Frame, Noise, Program}
  doctest Command
  doctest Noise
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

  # As the device sends it, in pieces of 15 bytes.
  defp long_answer(term, line_end) do
    {last, pieces} = List.pop_at(for(<<b::binary-size(15) <- binary(term)>>, do: b), -1)

    Enum.map(pieces, &"hotpush+ #{Base.encode64(&1)}#{line_end}") ++
      ["hotpush #{Base.encode64(last)}"]
  end

  # With a length that is a multiple of 15.
  defp binary(text) do
    binary = :erlang.term_to_binary(text)
    if rem(byte_size(binary), 15) == 0, do: binary, else: binary(text <> "x")
  end

  defp decode(parts, state \\ %Frame{}) do
    Enum.reduce(parts, {[], state}, fn part, {frames, state} ->
      {:ok, more, state} = Frame.decode(state, part)
      {frames ++ more, state}
    end)
  end

  defp cut(text, size) do
    parts =
      for at <- 1..div(byte_size(text), size)//1, do: binary_part(text, size * (at - 1), size)

    parts ++ [binary_part(text, size * length(parts), byte_size(text) - size * length(parts))]
  end

  test "requests of any size are sent in lines that a small device reads quickly" do
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

  test "answers are found, however they are cut and whatever is around them" do
    text =
      "Welcome\n" <>
        answer({:ready, ~c"a"}) <>
        "\r\nprompt> " <> answer({1, :answer, "x"}) <> "\nhotpush ???\nbye"

    for size <- 1..byte_size(text) do
      {frames, state} = text |> cut(size) |> decode()
      assert frames == [{:ready, ~c"a"}, {1, :answer, "x"}]
      assert Frame.rest(state) == "Welcome\nprompt> hotpush ???\nbye"
    end
  end

  test "a frame in several lines is found, although the device's log is between them" do
    text = String.duplicate("a text of some length. ", 20)

    for line_end <- ["\n", "\r\n"], size <- [1, 7, 64, 1_000] do
      said = Enum.intersperse(long_answer(text, line_end), "12:00 [info] hotpush was here\n")
      {[frame], state} = (Enum.join(said) <> line_end) |> cut(size) |> decode()
      assert String.trim_trailing(frame, "x") == text
      assert {state.parts, state.size, state.line} == {[], 0, ""}
    end
  end

  test "after the first frame, any amount of noise is tolerated; its beginning and end are kept" do
    {[:ready], state} = decode(["Welcome\n", answer(:ready), "\n"])
    kinds = ["12:00:00 [info] hotpush is at it\n", "no line end", "hotpush+ ?\n", "hotpush AA"]

    for kind <- kinds do
      noise = String.duplicate(kind, 2_000)

      {frames, state} =
        decode([for(_ <- 1..20, do: noise), "\n", answer(:last), "\n"] |> List.flatten(), state)

      assert frames == [:last]
      assert :erts_debug.flat_size(state) < 100
      assert byte_size(Frame.rest(state)) < 10_000
      assert :binary.referenced_byte_size(state.noise.last) == byte_size(state.noise.last)
      assert "Welcome\n" <> _ = Frame.rest(state)
      assert String.ends_with?(Frame.rest(state), String.slice(kind, -8, 8) <> "\n")
    end
  end

  test "noise and frames have limits" do
    assert {:error, {:bad_frame, {:not_data, _}}, _} =
             Frame.decode(%Frame{}, answer(self()) <> "\n")

    # Before the first frame.
    noise = String.duplicate("noise\n", 20_000)
    assert {:error, :too_much_noise, _} = Frame.decode(%Frame{}, noise)

    # The limit of a frame, in however many lines.
    {[:ready], state} = decode([answer(:ready), "\n"])
    part = "hotpush+ #{Base.encode64(:binary.copy("a", 36_864))}\n"

    assert {:error, :too_large, %{parts: []}} =
             Enum.reduce_while(1..10_000, state, fn _, state ->
               case Frame.decode(state, part) do
                 {:ok, [], state} -> {:cont, state}
                 error -> {:halt, error}
               end
             end)
  end

  test "the expression that starts it is small, and plain ASCII" do
    bootstrap = Program.bootstrap()
    assert byte_size(bootstrap) < 120
    assert bootstrap =~ ~r/\A[ -~]+\z/
    assert IO.iodata_length(Program.text()) < 4_000
  end
end
