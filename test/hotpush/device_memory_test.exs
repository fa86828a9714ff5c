defmodule Hotpush.DeviceMemoryTest do
  @moduledoc """
  What the host remembers of a device. Without these tests, a damaged file could break a push, or be
  believed.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Protocol.Device
  alias Hotpush.Protocol.Memory
  alias Hotpush.Test.Run

  @print <<7::128>>
  @parts %{"1234567" => {:impls, [{"Elixir.Desk.P", ["Elixir.Desk"]}]}}
  @files [{"Elixir.Desk", <<1::128>>, <<2::128>>}, {"desk", <<3::128>>, ""}]
  @known %{{"desk", @print} => @files}
  @nothing %Memory{}

  defp remember(dir) do
    device = %Device{files: %{"desk" => {@print, @files}}, parts: @parts}
    Memory.remember(dir, "a@b", @nothing, device)
  end

  defp path(dir) do
    [name] = File.ls!(Path.join(dir, "devices"))
    Path.join([dir, "devices", name])
  end

  test "a damaged file is ignored, and written again" do
    dir = Run.dir("memory")
    assert Memory.recall(dir, "a@b") == @nothing
    remember(dir)
    assert Memory.recall(dir, "a@b") == %Memory{files: @known, parts: @parts}
    written = File.read!(path(dir))

    terms =
      [42, {1, @known}, {3, @known, @parts}, {2, @known}] ++
        for files <- [
              :no_map,
              %{{"desk", @print} => :known},
              %{{"desk", @print} => [{"Elixir.Desk", 1, 2}]},
              %{{"desk", @print} => [hd(@files) | :improper]},
              %{:desk => @files},
              Map.put(@known, {"desk", "a print longer than 16 bytes"}, @files),
              %{{"desk", @print} => [{<<255>>, "", ""}]},
              %{{<<0>>, @print} => @files}
            ],
            do: {2, files, @parts}

    terms =
      terms ++
        for parts <- [
              :no_map,
              # The length says what a print is of.
              %{"12345678" => {:impls, []}},
              %{"1234567" => {:impls, [5]}},
              %{"1234567" => {:app, {"desk", "0.1.0", true, true, {"", 5, [], ""}}}},
              %{"1234567" => 1}
            ],
            do: {2, @known, parts}

    bodies = [
      "",
      # An atom that does not exist, a very long list, a very deep tuple.
      <<131, 119, 7, "nowhere">>,
      <<131, 108, 0xFFFFFFFF::32>>,
      <<131, String.duplicate(<<104, 1>>, 1_000_000)::binary>>,
      # 100 MB of zeros, compressed.
      :erlang.term_to_binary(<<0::800_000_000>>, [:compressed])
    ]

    for body <- bodies ++ Enum.map(terms, &:erlang.term_to_binary/1) do
      File.write!(path(dir), [:erlang.md5(body), body])
      assert Memory.recall(dir, "a@b") == @nothing
      remember(dir)
      assert File.read!(path(dir)) == written
    end
  end

  test "a file that cannot be read or written leaves no other file behind" do
    dir = Run.dir("memory")
    remember(dir)
    path = path(dir)
    File.rm!(path)
    File.mkdir_p!(Path.join(path, "in the way"))
    assert Memory.recall(dir, "a@b") == @nothing
    remember(dir)
    assert File.ls!(Path.dirname(path)) == [Path.basename(path)]
  end
end
