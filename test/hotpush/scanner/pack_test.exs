defmodule Hotpush.Scanner.PackTest do
  @moduledoc """
  Modules as they travel. Without these tests, what runs on a device could differ from what was compiled.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Scanner.Portable.Beam
  alias Hotpush.Test.Digested

  @scanners if Hotpush.Native.loaded?(), do: [Portable, Native], else: [Portable]

  setup do
    dir = Path.join(System.tmp_dir!(), "hotpush-pack-#{System.unique_integer([:positive])}")
    File.mkdir_p!(Path.join(dir, "packed"))
    module = :"hotpush_packed_#{System.unique_integer([:positive])}"

    source = """
    -module(#{module}).
    -export([value/0, crash/1]).
    -custom([kept]).
    value() -> {yes, fun() -> 1 end}.
    crash(X) ->
        atom_to_list(X) ++ "".
    """

    path = Path.join(dir, "#{module}.erl")
    File.write!(path, source)
    options = [:debug_info, outdir: String.to_charlist(dir)]
    {:ok, ^module} = :compile.file(String.to_charlist(path), options)

    on_exit(fn ->
      :code.purge(module)
      :code.delete(module)
      File.rm_rf!(dir)
    end)

    {:ok, dir: dir, module: module, path: Path.join(dir, "#{module}.beam")}
  end

  # Asks the emulator, since the compiler would warn about a call of a module that does not exist here.
  defp info(module, item), do: :erlang.get_module_info(module, item)

  for scanner <- @scanners do
    @scanner scanner
    describe inspect(scanner) do
      test "a packed module loads, and names its application", ctx do
        %{module: module, path: path} = ctx
        %{entries: [entry]} = Digested.scan(@scanner.scan([ctx.dir], []))
        [{:ok, packed}] = @scanner.pack([{path, "my_app"}], [])
        assert packed.module == Atom.to_string(module)
        assert {packed.md5, packed.digest} == {entry.md5, entry.digest}
        assert <<"FOR1", _::binary>> = packed.beam
        assert byte_size(packed.beam) < File.stat!(path).size

        assert {:module, ^module} = :code.load_binary(module, ~c"somewhere.beam", packed.beam)
        assert info(module, :compile) == [hotpush: {:my_app, packed.digest}]
        assert info(module, :md5) == entry.md5
        assert info(module, :attributes)[:custom] == [:kept]
        assert {:yes, fun} = module.value()
        assert fun.() == 1

        try do
          module.crash(1)
        rescue
          ArgumentError ->
            assert {^module, :crash, 1, where} =
                     Enum.find(__STACKTRACE__, &(elem(&1, 0) == module))

            assert where[:line] == 6
        end

        # Packed again, only the stamp differs, so the digest is the same.
        target = Path.join(ctx.dir, "packed/#{module}.beam")
        File.write!(target, packed.beam)

        assert %{entries: [again], problems: []} =
                 Digested.scan(@scanner.scan([Path.dirname(target)], []))

        place = [:dir, :path, :size]
        assert Map.drop(again, place) == Map.drop(entry, place)
        assert [{:ok, twice}] = @scanner.pack([{target, "my_app"}], [])
        assert twice.beam == packed.beam
      end

      test "keeps the chunks that it is told to keep", ctx do
        ids = fn packed -> packed.beam |> Beam.parse() |> elem(1) end
        [{:ok, plain}] = @scanner.pack([{ctx.path, "app"}], [])
        [{:ok, more}] = @scanner.pack([{ctx.path, "app"}], keep: ["Dbgi"])
        plain_ids = for {id, _} <- ids.(plain), do: id
        more_ids = for {id, _} <- ids.(more), do: id
        assert more_ids -- plain_ids == ["Dbgi"]
        assert plain_ids -- ["CInf" | Hotpush.Scanner.Layout.digest_chunks()] == []
        assert plain.digest != more.digest

        assert %{entries: [%{digest: digest}]} =
                 Digested.scan(@scanner.scan([ctx.dir], keep: ["Dbgi"]))

        assert digest == more.digest
      end

      test "a module without CInf gets its stamp at the end", ctx do
        {:ok, chunks} = Beam.parse(File.read!(ctx.path))
        File.write!(ctx.path, Beam.build(List.keydelete(chunks, "CInf", 0)))
        [{:ok, packed}] = @scanner.pack([{ctx.path, "app"}], [])
        assert {:module, _} = :code.load_binary(ctx.module, ~c"somewhere.beam", packed.beam)
        assert info(ctx.module, :compile) == [hotpush: {:app, packed.digest}]
      end

      test "returns results in the order of the files", ctx do
        enum = Application.app_dir(:elixir, "ebin/Elixir.Enum.beam")
        missing = Path.join(ctx.dir, "missing.beam")
        files = [{enum, "elixir"}, {missing, "app"}, {ctx.path, "app"}, {enum, "other"}]

        assert [
                 {:ok, %{module: "Elixir.Enum"}},
                 {:error, %{path: ^missing, kind: :vanished}},
                 {:ok, _},
                 {:ok, %{module: "Elixir.Enum"}}
               ] = @scanner.pack(files, [])

        assert @scanner.pack([], []) == []
        long = String.duplicate("a", 256)
        assert [{:error, %{kind: :wrong_name}}] = @scanner.pack([{ctx.path, long}], [])
      end
    end
  end

  if Hotpush.Native.loaded?() do
    test "both pack the same bytes" do
      dir = Application.app_dir(:elixir, "ebin")
      files = for entry <- Portable.scan([dir]).entries, do: {entry.path, "elixir"}
      assert Native.pack(files) == Portable.pack(files)
    end
  end
end
