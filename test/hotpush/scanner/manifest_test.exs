defmodule Hotpush.Scanner.ManifestTest do
  @moduledoc """
  The manifest of the last scan. Without these tests, a changed file could count as unchanged, or a damaged
  manifest could crash the VM.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.Portable.Manifest
  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Test.{Digested, Run}

  @scanners if Hotpush.Native.loaded?(), do: [Portable, Native], else: [Portable]

  # The manifest is used only for files that are two seconds old, and a ctime cannot be set.
  @settled 2_100
  @names ~w(Elixir.Enum Elixir.List Elixir.String Elixir.Version)

  # One folder for each test and scanner, so that one wait is enough.
  setup_all do
    root = Run.dir("manifest")

    for scanner <- @scanners, place <- ~w(again changed damaged digests hostile) do
      folder(Path.join([root, inspect(scanner), place]))
    end

    Process.sleep(@settled)
    {:ok, root: root}
  end

  setup %{root: root} = context do
    top = Path.join([root, inspect(context[:scanner]), context[:place]])
    {:ok, dir: Path.join(top, "ebin"), manifest: Path.join(top, "some/where/manifest")}
  end

  defp folder(top) do
    dir = Path.join(top, "ebin")
    File.mkdir_p!(dir)
    source = Application.app_dir(:elixir, "ebin")
    for name <- @names, do: File.cp!(Path.join(source, name <> ".beam"), beam(dir, name))
    File.write!(Path.join(dir, "bad.beam"), "bad")
    dir
  end

  defp beam(dir, name), do: Path.join(dir, name <> ".beam")

  defp counts(scan), do: {scan.read, scan.cached, length(scan.entries), length(scan.problems)}

  # An entry of the portable scanner names the manifest, too.
  defp answers(scan), do: scan |> Digested.scan() |> Map.take([:entries, :problems])

  defp version(path), do: path |> File.stat!() |> Map.take([:inode, :mtime, :ctime, :size])

  defp replace(bytes, at, part) do
    rest = at + byte_size(part)
    binary_part(bytes, 0, at) <> part <> binary_part(bytes, rest, byte_size(bytes) - rest)
  end

  for scanner <- @scanners do
    @scanner scanner
    describe inspect(scanner) do
      @describetag scanner: scanner

      @tag place: "again"
      test "a second scan reads only the files that could not be used", ctx do
        young = folder(Path.join(Path.dirname(ctx.dir), "young"))

        # Too recent: the manifest is not used.
        assert counts(@scanner.scan([young], manifest: ctx.manifest)) == {5, 0, 4, 1}
        assert counts(@scanner.scan([young], manifest: ctx.manifest)) == {5, 0, 4, 1}
        refute File.exists?(ctx.manifest)

        first = @scanner.scan([ctx.dir], manifest: ctx.manifest)
        assert counts(first) == {5, 0, 4, 1}
        written = version(ctx.manifest)
        second = @scanner.scan([ctx.dir], manifest: ctx.manifest)
        assert counts(second) == {1, 4, 4, 1}

        # Nothing is new, so it is not written, and no other file is left.
        assert version(ctx.manifest) == written
        assert File.ls!(Path.dirname(ctx.manifest)) == ["manifest"]

        assert answers(second) == answers(first)
        assert answers(second) == answers(@scanner.scan([ctx.dir]))
      end

      @tag place: "changed"
      test "a change is found even with the old size and time, and only that file is read", ctx do
        @scanner.scan([ctx.dir], manifest: ctx.manifest)
        path = beam(ctx.dir, "Elixir.Enum")
        %{mtime: mtime, size: size} = File.stat!(path, time: :posix)
        content = File.read!(path)
        {at, 4} = :binary.match(content, "Line")
        File.write!(path, replace(content, at, "Lin_"))
        File.touch!(path, mtime)
        assert %{mtime: ^mtime, size: ^size} = File.stat!(path, time: :posix)

        scan = @scanner.scan([ctx.dir], manifest: ctx.manifest)
        assert counts(scan) == {2, 3, 4, 1}
        assert %{line_md5: ""} = Enum.find(scan.entries, &(&1.module == "Elixir.Enum"))

        File.rm!(path)
        assert counts(@scanner.scan([ctx.dir], manifest: ctx.manifest)) == {1, 3, 3, 1}
      end

      @tag place: "damaged"
      test "a damaged manifest, one for other chunks, or a folder counts as none", ctx do
        wanted = answers(@scanner.scan([ctx.dir]))
        @scanner.scan([ctx.dir], manifest: ctx.manifest)
        written = File.read!(ctx.manifest)
        size = byte_size(written)

        damaged =
          for at <- [0, 15, 20, 48, 60, 110, div(size, 2), size - 1] do
            replace(written, at, <<Bitwise.bxor(:binary.at(written, at), 1)>>)
          end

        for content <- ["", "x", binary_part(written, 0, div(size, 2)), written <> "x" | damaged] do
          File.write!(ctx.manifest, content)
          scan = @scanner.scan([ctx.dir], manifest: ctx.manifest)
          assert counts(scan) == {5, 0, 4, 1}
          assert File.read!(ctx.manifest) == written
          if content == "x", do: assert(answers(scan) == wanted)
          File.write!(ctx.manifest, written)
        end

        assert counts(@scanner.scan([ctx.dir], manifest: ctx.manifest, keep: ["Docs"])) ==
                 {5, 0, 4, 1}

        File.rm!(ctx.manifest)
        File.mkdir_p!(Path.join(ctx.manifest, "in the way"))
        assert counts(@scanner.scan([ctx.dir], manifest: ctx.manifest)) == {5, 0, 4, 1}
        assert File.ls!(Path.dirname(ctx.manifest)) == ["manifest"]
      end
    end
  end

  @tag scanner: Portable, place: "digests"
  test "the portable one computes a digest only if there is a stamp, and only once", ctx do
    scan = fn -> Portable.scan([ctx.dir], manifest: ctx.manifest) end
    entries = scan.().entries
    [enum, list | _] = entries
    packed = for {:ok, packed} <- Portable.pack([{enum.path, "elixir"}]), do: packed.digest

    digests = fn ->
      for {path, {_stat, _identity, digest}} <- Manifest.load(ctx.manifest, []),
          digest != "",
          do: {path, digest}
    end

    plain = for entry <- entries, do: {entry.module, entry.md5, "", ""}
    assert Portable.diff(entries, plain).changed == []
    assert digests.() == []

    # The code differs, so no digest is needed.
    other = :binary.copy("x", 32)
    answers = [{enum.module, enum.md5, hd(packed), ""}, {list.module, other, other, ""} | plain]
    assert Portable.diff(entries, answers).changed == [{list.module, :code}]
    assert digests.() == [{enum.path, hd(packed)}]

    # It is known from now on, and a scan keeps it.
    written = version(ctx.manifest)
    assert counts(scan.()) == {1, 4, 4, 1}
    assert Portable.diff(scan.().entries, answers).changed == [{list.module, :code}]
    assert version(ctx.manifest) == written

    # A file that changed since the scan, or is gone, differs from any stamp.
    File.write!(enum.path, File.read!(list.path))
    assert {enum.module, :lines} in Portable.diff(entries, answers).changed
    File.rm!(enum.path)
    assert {enum.module, :lines} in Portable.diff(entries, answers).changed
  end

  @tag scanner: Portable, place: "hostile"
  test "the portable one checks each field, whatever the MD5 says", ctx do
    Portable.scan([ctx.dir], manifest: ctx.manifest)
    <<mark::binary-size(16), _md5::binary-size(16), body::binary>> = File.read!(ctx.manifest)
    {[], [{path, stat, identity, ""} = record | rest]} = :erlang.binary_to_term(body)
    assert map_size(Manifest.load(ctx.manifest, [])) == 4
    bytes = &:erlang.term_to_binary/1

    for body <-
          [
            "",
            "no term",
            bytes.({[], [record | :improper]}),
            bytes.({[], %{}}),
            bytes.({[], {record}}),
            :erlang.term_to_binary({[], [record | rest]}, compressed: 9),
            <<131, 104, 2, 106, 108, 0xFFFFFFFF::32>>,
            <<131, 119, 20, "hotpush_never_seen_1">>
          ] ++
            for(
              bad <- [
                {path, stat, identity},
                {:path, stat, identity, ""},
                {path, {1, 2, 3}, identity, ""},
                {path, put_elem(stat, 0, 1.5), identity, ""},
                {path, stat, put_elem(identity, 0, :module), ""},
                {path, stat, put_elem(identity, 0, <<255>>), ""},
                {path, stat, put_elem(identity, 1, "short"), ""},
                {path, stat, put_elem(identity, 3, "short"), ""},
                {path, stat, identity, "short"},
                {path, stat, identity, nil},
                nil
              ],
              do: bytes.({[], [record, bad]})
            ) do
      File.write!(ctx.manifest, [mark, :erlang.md5(body), body])
      assert Manifest.load(ctx.manifest, []) == %{}
      assert counts(Portable.scan([ctx.dir], manifest: ctx.manifest)) == {5, 0, 4, 1}
    end

    assert_raise ArgumentError, fn -> String.to_existing_atom("hotpush_never_seen" <> "_1") end
  end
end
