defmodule Hotpush.Scanner.ManifestTest do
  @moduledoc """
  The manifest of the last scan. Without it, a changed file could be taken for unchanged, or a
  damaged manifest crash the VM.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.Native

  @moduletag skip: if(not Hotpush.Native.loaded?(), do: "no native library")

  # Files are relied on when they are two seconds old; no one can set back a ctime.
  @settled 2_100

  setup do
    root = Path.join(System.tmp_dir!(), "hotpush-manifest-#{System.unique_integer([:positive])}")
    dir = Path.join(root, "ebin")
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(root) end)

    source = Application.app_dir(:elixir, "ebin")

    for name <- ~w(Elixir.Enum Elixir.List Elixir.String Elixir.Version),
        do: File.cp!(Path.join(source, name <> ".beam"), Path.join(dir, name <> ".beam"))

    File.write!(Path.join(dir, "bad.beam"), "bad")
    {:ok, dir: dir, manifest: Path.join(root, "some/where/manifest")}
  end

  defp counts(scan), do: {scan.read, scan.cached, length(scan.entries), length(scan.problems)}
  defp answers(scan), do: Map.take(scan, [:entries, :problems])

  defp version(path), do: path |> File.stat!() |> Map.take([:inode, :mtime, :ctime, :size])

  defp replace(bytes, at, part) do
    rest = at + byte_size(part)
    binary_part(bytes, 0, at) <> part <> binary_part(bytes, rest, byte_size(bytes) - rest)
  end

  test "a second scan reads nothing but what it could not use", ctx do
    # Too young: not relied on.
    assert counts(Native.scan([ctx.dir], manifest: ctx.manifest)) == {5, 0, 4, 1}
    assert counts(Native.scan([ctx.dir], manifest: ctx.manifest)) == {5, 0, 4, 1}
    refute File.exists?(ctx.manifest)

    Process.sleep(@settled)
    first = Native.scan([ctx.dir], manifest: ctx.manifest)
    assert counts(first) == {5, 0, 4, 1}
    written = version(ctx.manifest)
    second = Native.scan([ctx.dir], manifest: ctx.manifest)
    assert counts(second) == {1, 4, 4, 1}
    assert answers(second) == answers(first)
    assert answers(second) == answers(Native.scan([ctx.dir]))

    # Nothing new, so not written; and nothing is left beside it.
    assert version(ctx.manifest) == written
    assert File.ls!(Path.dirname(ctx.manifest)) == ["manifest"]
  end

  test "a change shows even with the old size and time, and only it is read", ctx do
    Process.sleep(@settled)
    Native.scan([ctx.dir], manifest: ctx.manifest)
    path = Path.join(ctx.dir, "Elixir.Enum.beam")
    %{mtime: mtime, size: size} = File.stat!(path, time: :posix)
    content = File.read!(path)
    {at, 4} = :binary.match(content, "Line")
    File.write!(path, replace(content, at, "Lin_"))
    File.touch!(path, mtime)
    assert %{mtime: ^mtime, size: ^size} = File.stat!(path, time: :posix)

    scan = Native.scan([ctx.dir], manifest: ctx.manifest)
    assert counts(scan) == {2, 3, 4, 1}
    assert %{line_md5: ""} = Enum.find(scan.entries, &(&1.module == "Elixir.Enum"))

    File.rm!(path)
    assert counts(Native.scan([ctx.dir], manifest: ctx.manifest)) == {1, 3, 3, 1}
  end

  test "one that is damaged, of other chunks, or a folder is as none", ctx do
    Process.sleep(@settled)
    wanted = answers(Native.scan([ctx.dir]))
    Native.scan([ctx.dir], manifest: ctx.manifest)
    written = File.read!(ctx.manifest)
    size = byte_size(written)

    damaged =
      for at <- [0, 15, 20, 48, 60, 110, div(size, 2), size - 1] do
        replace(written, at, <<Bitwise.bxor(:binary.at(written, at), 1)>>)
      end

    for content <- ["", "x", binary_part(written, 0, div(size, 2)), written <> "x" | damaged] do
      File.write!(ctx.manifest, content)
      scan = Native.scan([ctx.dir], manifest: ctx.manifest)
      assert counts(scan) == {5, 0, 4, 1}
      assert answers(scan) == wanted
      assert File.read!(ctx.manifest) == written
    end

    assert counts(Native.scan([ctx.dir], manifest: ctx.manifest, keep: ["Docs"])) == {5, 0, 4, 1}

    File.rm!(ctx.manifest)
    File.mkdir_p!(Path.join(ctx.manifest, "in the way"))
    assert counts(Native.scan([ctx.dir], manifest: ctx.manifest)) == {5, 0, 4, 1}
    assert File.ls!(Path.dirname(ctx.manifest)) == ["manifest"]
  end
end
