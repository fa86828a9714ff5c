defmodule Hotpush.Scanner.ProblemsTest do
  @moduledoc """
  Files that are not modules. Without these tests, one broken file could stop a push, or fill the memory.
  """
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Plan, Project, Report}
  alias Hotpush.Config.Target
  alias Hotpush.Project.Inventory
  alias Hotpush.Report.Result
  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Scanner.Portable.{Beam, Source}
  alias Hotpush.Test.Digested

  doctest Hotpush.Scanner.Problems

  @scanners if Hotpush.Native.loaded?(), do: [Portable, Native], else: [Portable]

  setup do
    dir = Path.join(System.tmp_dir!(), "hotpush-problems-#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    good = beam(:hotpush_good)
    File.write!(Path.join(dir, "hotpush_good.beam"), good)
    {:ok, dir: dir, good: good}
  end

  defp beam(module, value \\ 1) do
    forms = [
      {:attribute, 1, :module, module},
      {:attribute, 1, :export, [value: 0]},
      {:function, 1, :value, 0, [{:clause, 1, [], [], [{:integer, 1, value}]}]}
    ]

    {:ok, ^module, beam} = :compile.forms(forms, [:debug_info])
    beam
  end

  defp chunks(beam) do
    {:ok, chunks} = Beam.parse(beam)
    chunks
  end

  defp replace(beam, id, data),
    do: beam |> chunks() |> List.keystore(id, 0, {id, data}) |> Beam.build()

  defp without(beam, id), do: beam |> chunks() |> List.keydelete(id, 0) |> Beam.build()

  test "of thousands of files that cannot be used, 20 and a count are reported", %{dir: dir} do
    for n <- 1..3_000, do: File.write!(Path.join(dir, "broken#{n}.beam"), "broken")
    app = %Project.App{name: :desk, kind: :own, ebin: dir, modules: []}
    project = %Project{apps: [app], state_dir: dir, target: :host}

    documents =
      for scanner <- @scanners do
        inventory = Inventory.from_scan(project, 0, scanner.scan([dir]))
        assert Map.keys(inventory.beams) == ["hotpush_good"]
        # None of them counts as a module that the project no longer has.
        assert MapSet.size(inventory.broken) == 3_000
        assert List.last(inventory.problems).reason == {:more_problems, 2_980}

        load = %Plan.Step.Load{modules: [%Plan.Action{module: "Desk", reason: :new}]}
        plan = %{Plan.new([load]) | problems: inventory.problems}

        outcome = Result.planned(%Result{target: %Target{name: "a@b"}}, plan)
        report = Report.new(%Config{}, [outcome], %{compile: 0.0, scan: 0.0})
        failed = for {:error, "failed: " <> line} <- Report.Lines.of(report), do: line
        assert length(failed) == 21
        assert List.last(failed) =~ "2980 more files cannot be used"
        Report.Document.of(report)
      end

    assert [document] = Enum.uniq(documents)
    assert byte_size(document) < 10_000
  end

  # The content of each bad file.
  defp bad(good) do
    middle = div(byte_size(good), 2)
    <<head::binary-size(4), _size::32, tail::binary>> = good
    gzip = :zlib.gzip(good)

    [
      {:empty, ""},
      {:truncated, "FO"},
      {:truncated, binary_part(good, 0, 11)},
      {:truncated, binary_part(good, 0, middle)},
      {:truncated, :zlib.gzip(binary_part(good, 0, middle))},
      {:not_a_beam, "What is this?"},
      {:not_a_beam, "FOR1" <> <<100::32>> <> "AIFF" <> "etc"},
      {:not_a_beam, :zlib.gzip("What is this?")},
      {:bad_gzip, binary_part(gzip, 0, byte_size(gzip) - 5)},
      {:bad_gzip, <<0x1F, 0x8B>>},
      {:bad_gzip, <<0x1F, 0x8B, "and so on and so on">>},
      {:too_large, :zlib.gzip(:binary.copy("FOR1", 17 * 1024 * 1024))},
      {:bad_chunk, head <> <<2::32>> <> tail},
      {:bad_chunk, head <> <<byte_size(good) - 8 - 3::32>> <> tail},
      {:bad_chunk, without(good, "Code")},
      {:bad_chunk, without(good, "AtU8")},
      {:bad_chunk, replace(good, "AtU8", "")},
      {:bad_chunk, replace(good, "AtU8", <<0::32>>)},
      {:bad_chunk, replace(good, "AtU8", <<1::32, 9, "short">>)},
      {:bad_chunk, replace(good, "AtU8", <<1::32, 2, 0xFF, 0xFE>>)},
      {:bad_chunk, replace(good, "AtU8", <<-1::32, 0x28, 200, "short">>)},
      {:bad_chunk, Beam.build(chunks(good) ++ [{"Code", "again"}])},
      {:wrong_name, good}
    ]
  end

  for scanner <- @scanners do
    @scanner scanner
    describe inspect(scanner) do
      test "names what is wrong, and goes on", %{dir: dir, good: good} do
        for {{kind, content}, index} <- Enum.with_index(bad(good)) do
          path = Path.join(dir, "bad.beam")
          File.write!(path, content)
          scan = @scanner.scan([dir])

          assert [%{path: ^path, kind: ^kind, detail: detail}] = scan.problems,
                 "case #{index}: #{inspect(scan.problems)}"

          assert is_binary(detail)
          assert [%{module: "hotpush_good"}] = scan.entries
          assert %{read: 2, cached: 0} = scan
          assert [{:error, %{path: ^path, kind: ^kind}}] = @scanner.pack([{path, "app"}], [])
        end
      end

      test "does not hang on something that is not a regular file", %{dir: dir} do
        File.mkdir!(Path.join(dir, "a_folder.beam"))
        File.ln_s!("nowhere", Path.join(dir, "b_dangling.beam"))
        File.ln_s!("c_loop.beam", Path.join(dir, "c_loop.beam"))
        {_, 0} = System.cmd("mkfifo", [Path.join(dir, "d_fifo.beam")])
        File.ln_s!("hotpush_good.beam", Path.join(dir, "e_link.beam"))
        File.write!(Path.join(dir, "f_other.txt"), "")
        scan = @scanner.scan([dir])

        assert Enum.map(scan.problems, &{Path.basename(&1.path), &1.kind}) == [
                 {"a_folder.beam", :unreadable},
                 {"b_dangling.beam", :dangling_link},
                 {"c_loop.beam", :dangling_link},
                 {"d_fifo.beam", :unreadable},
                 {"e_link.beam", :wrong_name}
               ]

        assert [%{module: "hotpush_good"}] = scan.entries
        assert scan.read == 2
      end

      test "keeps the system's own error", %{dir: dir} do
        File.ln_s!("nowhere", Path.join(dir, "a_dangling.beam"))
        File.ln_s!("b_loop.beam", Path.join(dir, "b_loop.beam"))
        File.write!(Path.join(dir, "c_bad.beam"), "bad")
        gone = Path.join(dir, "gone")
        file = Path.join(dir, "hotpush_good.beam")
        long = Path.join(dir, String.duplicate("x", 300))
        scan = @scanner.scan([dir, gone, file, long, "with\0nul"])

        assert Enum.map(scan.problems, &{Path.basename(&1.path), &1.kind, &1.posix}) == [
                 {"a_dangling.beam", :dangling_link, :enoent},
                 {"b_loop.beam", :dangling_link, :eloop},
                 {"c_bad.beam", :not_a_beam, nil},
                 {"gone", :missing_folder, :enoent},
                 {"hotpush_good.beam", :missing_folder, :enotdir},
                 {Path.basename(long), :missing_folder, :enametoolong},
                 {"with\0nul", :missing_folder, :einval}
               ]

        assert [{:error, %{kind: :vanished, posix: :enoent}}] = @scanner.pack([{gone, "app"}])
        [loop] = @scanner.scan([Path.join(dir, "b_loop.beam")]).problems
        assert {loop.kind, loop.posix} == {:unreadable, :eloop}
      end

      test "says that it has no permission to read", %{dir: dir} do
        file = Path.join(dir, "hotpush_good.beam")
        File.chmod!(file, 0o000)

        # Root may read everything, so there the scanner has nothing to report.
        problems =
          case @scanner.scan([dir]).problems do
            [] -> [%{path: file, kind: :unreadable, posix: :eacces, detail: "Permission denied"}]
            problems -> problems
          end

        assert [%{path: ^file, kind: :unreadable, posix: :eacces}] = problems
        [error] = Hotpush.Scanner.Problems.errors(problems)
        assert Exception.message(error) =~ ~r/ermission denied\)\. Give your user permission/
      end

      test "says which folder is missing", %{dir: dir} do
        gone = Path.join(dir, "gone")
        file = Path.join(dir, "hotpush_good.beam")
        scan = @scanner.scan([gone, file, dir <> "/", "with\0nul"])

        assert kinds(scan) ==
                 [{gone, :missing_folder}, {file, :missing_folder}] ++
                   [{"with\0nul", :missing_folder}]

        assert [%{dir: 2, path: ^file}] = scan.entries
        assert [{:error, %{kind: :vanished}}] = @scanner.pack([{gone, "app"}], [])
      end

      test "takes the first of two folders with one module", %{dir: dir, good: good} do
        second = Path.join(dir, "second")
        File.mkdir!(second)
        path = Path.join(second, "hotpush_good.beam")
        File.write!(path, beam(:hotpush_good, 2))
        File.write!(Path.join(second, "hotpush_more.beam"), beam(:hotpush_more))

        scan = @scanner.scan([dir, second])
        assert [%{path: ^path, kind: :duplicate_module}] = scan.problems

        assert [%{dir: 0, module: "hotpush_good"}, %{dir: 1, module: "hotpush_more"}] =
                 scan.entries

        assert %{problems: [], entries: [%{dir: 0}, %{dir: 1}]} =
                 @scanner.scan([dir, second], overlay: 1)

        # If the consolidated file is bad, the plain module is not used instead.
        top = Path.join(dir, "hotpush_good.beam")
        File.write!(top, binary_part(good, 0, 100))

        assert %{problems: [%{path: ^top, kind: :truncated}], entries: [%{module: name}]} =
                 @scanner.scan([dir, second], overlay: 1)

        assert name == "hotpush_more"
      end

      test "reads both ways to write the names of atoms", %{dir: dir, good: good} do
        long = String.duplicate("é", 100)

        for {name, atoms} <- [
              {"short", <<-1::32, 5::4, 0::4, "short">>},
              {long, <<-1::32, 0::3, 1::2, 0::3, 200, long::binary>>},
              {"eéè", <<1::32, 5, "eéè">>}
            ] do
          path = Path.join(dir, name <> ".beam")
          File.write!(path, replace(good, "AtU8", atoms))
          scan = @scanner.scan([dir])
          assert scan.problems == []
          assert name in Enum.map(scan.entries, & &1.module)
          File.rm!(path)
        end

        latin1 = good |> without("AtU8") |> replace("Atom", <<1::32, 3, ?a, 0xE9, ?b>>)
        File.write!(Path.join(dir, "aéb.beam"), latin1)
        assert %{problems: [], entries: [%{module: "aéb"}, _]} = @scanner.scan([dir])
      end

      test "does not fill the atom table", %{dir: dir, good: good} do
        @scanner.scan([dir])
        name = "hotpush_never_an_atom_#{System.unique_integer([:positive])}"
        atoms = <<1::32, byte_size(name), name::binary>>
        File.write!(Path.join(dir, name <> ".beam"), replace(good, "AtU8", atoms))
        assert %{entries: [_, %{module: ^name}]} = @scanner.scan([dir])
        assert [{:ok, _}] = @scanner.pack([{Path.join(dir, name <> ".beam"), name}], [])
        assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
      end
    end
  end

  if Hotpush.Native.loaded?() do
    test "both return the same for files with a few wrong bytes", %{dir: dir, good: good} do
      :rand.seed(:exsss, {1, 2, 3})

      for number <- 1..400 do
        count = :rand.uniform(4)

        bytes =
          Enum.reduce(1..count, good, fn _, bytes ->
            # Errors in the headers matter most.
            at = :rand.uniform(Enum.random([64, byte_size(bytes)])) - 1

            {head, <<_, tail::binary>>} =
              {binary_part(bytes, 0, at), binary_part(bytes, at, byte_size(bytes) - at)}

            <<head::binary, Enum.random([0, 1, 255, :rand.uniform(255)]), tail::binary>>
          end)

        File.write!(Path.join(dir, "mutated#{number}.beam"), bytes)
      end

      native = Native.scan([dir])
      assert length(native.problems) == 400
      portable = Portable.scan([dir])
      assert native.entries == Digested.entries(portable.entries)
      assert kinds(native) == kinds(portable)
    end
  end

  defp kinds(scan), do: Enum.map(scan.problems, &{&1.path, &1.kind})

  test "a file that changes while it is read is read once more", %{dir: dir} do
    path = Path.join(dir, "moving")
    File.write!(path, "1")

    grow = fn until ->
      fn path, _size ->
        content = File.read!(path)
        if byte_size(content) < until, do: File.write!(path, content <> "1")
        {:ok, content}
      end
    end

    assert Source.read(path, grow.(2)) == {:ok, "11"}
    assert {:error, {:changed_while_reading, _}} = Source.read(path, grow.(20))
    assert {:error, {:vanished, :enoent, _}} = Source.read(path, fn _, _ -> {:error, :enoent} end)
  end
end
