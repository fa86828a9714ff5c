defmodule Hotpush.ChunksTest do
  @moduledoc """
  What many modules cost on the wire. Without these tests, a large push could take twice the bytes, a
  module could arrive damaged, or each device of a fleet could have its modules compressed again.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Project
  alias Hotpush.Project.Builder
  alias Hotpush.Protocol.{Bundle, Chunks, Stub}
  alias Hotpush.Scanner
  alias Hotpush.Test.Run

  defp ours(app) do
    files = Path.wildcard(Application.app_dir(app, "ebin/*.beam"))

    for {:ok, packed} <- Scanner.default().pack(for(f <- files, do: {f, "#{app}"}), []),
        do: {packed.module, app, packed.beam}
  end

  # What the device has after all messages, as src/hotpush_stage.erl puts them together.
  defp arrived(%Chunks{messages: messages}) do
    {[], steps} =
      Enum.reduce(messages, {[], []}, fn
        {:piece, piece}, {pieces, steps} ->
          {[pieces, piece], steps}

        {:chunk, kind, last}, {pieces, steps} ->
          {[], steps ++ for(m <- :hotpush_stage.unpack(join([pieces, last])), do: {kind, m})}
      end)

    steps
  end

  defp join(pieces), do: IO.iodata_to_binary(pieces)

  test "what arrives is what was sent, whatever it is" do
    noise = {"noise", :desk, :rand.bytes(300_000)}
    stub = {"gone", :desk, Stub.beam("gone", :desk)}
    load = [noise | ours(:logger)] ++ [{"no beam", :desk, "FOR1"}, {"Elixir.ä", :desk, ""}]
    steps = [load: load, remove: [stub, {"restored", :desk, ""}], note: "who"]
    chunks = Chunks.of(steps)

    assert arrived(chunks) ==
             for({kind, list} <- Keyword.delete(steps, :note), file <- list, do: {kind, file})

    assert %{rest: [load: [], remove: [], note: "who"], modules: modules} = chunks
    assert modules == length(load) + 2
    for message <- chunks.messages, do: assert(:erlang.external_size(message) < 33_000)
    assert Chunks.of(note: "who") == %Chunks{rest: [note: "who"]}
    assert Chunks.of(load: []) == %Chunks{rest: [load: []]}
  end

  test "what is too much for one call is seen by what would travel" do
    file = fn content -> [load: [{"m", :desk, content}], note: "who"] end
    refute Chunks.large?(file.(:rand.bytes(200_000)))
    assert Chunks.large?(file.(:rand.bytes(300_000)))
    refute Chunks.large?(file.(String.duplicate("m", 300_000)))
    assert Chunks.large?(file.(String.duplicate("m", 500_000)))
    refute Chunks.large?(note: "who")
  end

  test "a bundle that claims to be too large is not unpacked" do
    <<131, 80, _::32, rest::binary>> = Bundle.pack([{"m", :desk, String.duplicate("m", 999)}])
    bomb = <<131, 80, 0xFFFFFFFF::32, rest::binary>>
    assert_raise FunctionClauseError, fn -> :hotpush_stage.unpack(bomb) end
  end

  test "modules are smaller together than each by itself" do
    files = ours(:elixir)
    one_by_one = Enum.sum(for {_, _, beam} <- files, do: byte_size(:zlib.gzip(beam)))
    chunks = Chunks.of(load: files)
    assert Enum.sum(Enum.map(chunks.messages, &:erlang.external_size/1)) < 0.88 * one_by_one

    # Progress is shown, and the device unpacks, while the rest is on its way.
    assert Enum.count(chunks.messages, &match?({:chunk, _, _}, &1)) in 5..20
  end

  test "what several devices need is packed once" do
    project = %Project{apps: [], state_dir: Run.dir("chunks"), target: :host}
    builder = Builder.scan(project, Scanner.default())
    me = self()

    make = fn value ->
      fn ->
        send(me, {:made, value})
        value
      end
    end

    for value <- [1, 2, 1, 2, 2],
        do: assert(Builder.shared(builder, value, make.(value)) == value)

    for value <- [1, 2], do: assert_received({:made, ^value})
    refute_received {:made, _}

    # What raises does so in the process of the device that it concerns.
    assert_raise RuntimeError, "oops", fn ->
      Builder.shared(builder, 3, fn -> raise "oops" end)
    end

    assert Builder.shared(builder, 1, make.(1)) == 1
    Builder.stop(builder)
  end
end
