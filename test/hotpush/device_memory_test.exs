defmodule Hotpush.DeviceMemoryTest do
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.Device
  alias Hotpush.Protocol.Memory
  alias Hotpush.Test.Run

  @print <<7::128>>
  @files [{"Elixir.Desk", <<1::128>>, <<2::128>>}, {"desk", <<3::128>>, ""}]
  @known %{{"desk", @print} => @files}

  defp remember(dir),
    do: Memory.remember(dir, "a@b", %{}, %Device{files: %{"desk" => {@print, @files}}})

  defp path(dir) do
    [name] = File.ls!(Path.join(dir, "devices"))
    Path.join([dir, "devices", name])
  end

  test "what is not what was written is forgotten, and written anew" do
    dir = Run.dir("memory")
    assert Memory.recall(dir, "a@b") == %{}
    remember(dir)
    assert Memory.recall(dir, "a@b") == @known
    written = File.read!(path(dir))

    terms = [
      42,
      {2, @known},
      {1, :no_map},
      {1, %{{"desk", @print} => :known}},
      {1, %{{"desk", @print} => [{"Elixir.Desk", 1, 2}]}},
      {1, %{{"desk", @print} => [hd(@files) | :improper]}},
      {1, %{:desk => @files}},
      {1, Map.put(@known, {"desk", "a print longer than 16 bytes"}, @files)},
      {1, %{{"desk", @print} => [{<<255>>, "", ""}]}},
      {1, %{{<<0>>, @print} => @files}}
    ]

    bodies = [
      "",
      # An atom that is not there, a list as long as can be, a tuple as deep as can be.
      <<131, 119, 7, "nowhere">>,
      <<131, 108, 0xFFFFFFFF::32>>,
      <<131, String.duplicate(<<104, 1>>, 1_000_000)::binary>>,
      # 100 MB of nothing.
      :erlang.term_to_binary(<<0::800_000_000>>, [:compressed])
    ]

    for body <- bodies ++ Enum.map(terms, &:erlang.term_to_binary/1) do
      File.write!(path(dir), [:erlang.md5(body), body])
      assert Memory.recall(dir, "a@b") == %{}
      remember(dir)
      assert File.read!(path(dir)) == written
    end
  end

  test "one that cannot be read or written leaves nothing beside it" do
    dir = Run.dir("memory")
    remember(dir)
    path = path(dir)
    File.rm!(path)
    File.mkdir_p!(Path.join(path, "in the way"))
    assert Memory.recall(dir, "a@b") == %{}
    remember(dir)
    assert File.ls!(Path.dirname(path)) == [Path.basename(path)]
  end
end
