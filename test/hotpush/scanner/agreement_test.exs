defmodule Hotpush.Scanner.AgreementTest do
  @moduledoc """
  Both scanners return the same. Without these tests, a push could depend on whether Rust is installed.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Scanner.Portable.Blake3
  alias Hotpush.Test.Digested

  @scanners if Hotpush.Native.loaded?(), do: [Portable, Native], else: [Portable]

  # Other releases of OTP that may be installed next to the running one.
  @elsewhere Path.wildcard("/opt/{erlang,otp}*/lib/*/ebin") ++
               Path.wildcard(
                 Path.join(System.get_env("HOTPUSH_OTHER_OTP", "/nowhere"), "lib/*/ebin")
               )

  defp installed do
    otp = Path.wildcard(Path.join(:code.root_dir(), "lib/*/ebin"))
    elixir = Path.wildcard(Path.join([Application.app_dir(:elixir), "../*/ebin"]))
    Enum.uniq(otp ++ Enum.map(elixir, &Path.expand/1))
  end

  # Two versions of an application may be installed, so a duplicate is not an error.
  defp faults(scan), do: Enum.reject(scan.problems, &(&1.kind == :duplicate_module))

  for scanner <- @scanners do
    @scanner scanner

    @tag timeout: 120_000
    test "#{inspect(scanner)} agrees with beam_lib on all installed modules" do
      scan = @scanner.scan(installed())
      assert faults(scan) == []
      assert length(scan.entries) > 500
      assert scan.read == length(scan.entries) + length(scan.problems)
      assert scan.entries == Enum.sort_by(scan.entries, & &1.module)

      for entry <- scan.entries do
        {:ok, {module, md5}} = :beam_lib.md5(String.to_charlist(entry.path))
        assert {entry.module, entry.md5} == {Atom.to_string(module), md5}
        assert entry.size == File.stat!(entry.path).size
      end
    end

    @tag timeout: 120_000
    @tag skip: if(@elsewhere == [], do: "no other OTP here")
    test "#{inspect(scanner)} reads the files of other releases" do
      scan = @scanner.scan(@elsewhere)
      assert faults(scan) == []
      assert scan.entries != []
    end

    test "#{inspect(scanner)} agrees with the emulator on loaded modules" do
      scan = @scanner.scan([Application.app_dir(:elixir, "ebin")])

      for module <- [Enum, String, :elixir_module, Kernel],
          module = Code.ensure_loaded!(module) do
        entry = Enum.find(scan.entries, &(&1.module == Atom.to_string(module)))
        assert entry.md5 == :erlang.get_module_info(module, :md5)
      end
    end
  end

  if Hotpush.Native.loaded?() do
    @tag timeout: 120_000
    test "both return the same for all installed modules, compressed or not" do
      dirs = installed() ++ @elsewhere
      native = Native.scan(dirs)
      assert details(native) == details(Digested.scan(Portable.scan(dirs)))

      kept = [keep: ["Docs", "Dbgi", "CInf", "no such chunk"]]

      assert details(Native.scan(dirs, kept)) ==
               details(Digested.scan(Portable.scan(dirs, kept)))

      refute hd(Native.scan(dirs, kept).entries).digest == hd(native.entries).digest

      folder = Path.join(System.tmp_dir!(), "hotpush-gzip-#{System.unique_integer([:positive])}")
      on_exit(fn -> File.rm_rf!(folder) end)
      File.mkdir_p!(folder)

      for entry <- Enum.take_every(native.entries, 7) do
        packed = :zlib.gzip(File.read!(entry.path))
        File.write!(Path.join(folder, Path.basename(entry.path)), packed)
      end

      compressed = Native.scan([folder])
      assert compressed == Digested.scan(Portable.scan([folder]))

      place = [:dir, :path, :size]

      assert Enum.map(compressed.entries, &Map.drop(&1, place)) ==
               native.entries |> Enum.take_every(7) |> Enum.map(&Map.drop(&1, place))
    end

    # The system's error messages differ between the two.
    defp details(scan), do: %{scan | problems: Enum.map(scan.problems, &{&1.path, &1.kind})}
  end

  test "BLAKE3 returns the published test values" do
    assert hex(Blake3.hash("")) ==
             "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"

    assert hex(Blake3.hash("abc")) ==
             "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"

    assert Blake3.hash(["a", [?b] | "c"]) == Blake3.hash("abc")
  end

  defp hex(bytes), do: Base.encode16(bytes, case: :lower)
end
