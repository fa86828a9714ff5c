defmodule Hotpush.Scanner.DiffTest do
  @moduledoc """
  What differs between the project and a device. Without these tests, a push could leave out a changed
  module.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Test.Digested

  @scanners if Hotpush.Native.loaded?(), do: [Portable, Native], else: [Portable]

  defp entry(module, overrides \\ []) do
    Map.merge(
      %{
        dir: 0,
        path: module <> ".beam",
        module: module,
        md5: :erlang.md5(["md5", module]),
        bare_md5: :erlang.md5(["bare", module]),
        line_md5: :erlang.md5(["line", module]),
        digest: :crypto.hash(:sha256, module),
        size: 1
      },
      Map.new(overrides)
    )
  end

  defp other, do: :binary.copy("x", 32)
  defp stamped(entry), do: {entry.module, entry.md5, entry.digest, ""}

  for scanner <- @scanners do
    @scanner scanner
    describe inspect(scanner) do
      test "returns each reason, or none" do
        e = entry("m")

        for {expected, md5, stamp, line} <- [
              {nil, e.md5, "", ""},
              {nil, e.bare_md5, "", ""},
              {nil, e.md5, e.digest, ""},
              {nil, e.md5, "", e.line_md5},
              {nil, e.md5, e.digest, other()},
              {nil, binary_part(e.md5, 0, 7), binary_part(e.digest, 0, 7), ""},
              {nil, e.md5, "", binary_part(e.line_md5, 0, 7)},
              {:code, other(), "", ""},
              {:code, other(), e.digest, e.line_md5},
              {:code, binary_part(e.md5, 0, 6), "", ""},
              {:code, e.md5 <> "more", "", ""},
              {:lines, e.md5, other(), ""},
              {:lines, e.md5, other(), e.line_md5},
              {:lines, e.bare_md5, "", other()},
              {:lines, e.md5, binary_part(e.digest, 0, 6), ""},
              {:new, "", e.digest, e.line_md5}
            ] do
          changed = if expected, do: [{"m", expected}], else: []

          assert @scanner.diff([e], [{"m", md5, stamp, line}]) ==
                   %{changed: changed, gone: [], unchanged: 1 - length(changed)}
        end

        assert @scanner.diff([e], []).changed == [{"m", :new}]
        lineless = entry("m", line_md5: "")
        assert @scanner.diff([lineless], [{"m", e.md5, "", other()}]).changed == [{"m", :lines}]
      end

      test "sorts and counts" do
        entries = for name <- ~w(d b a c), do: entry(name)

        answers = [
          {"z", other(), "", ""},
          {"y", other(), "", ""},
          {"x", "", "", ""},
          {"b", other(), "", ""},
          stamped(entry("c")),
          # Answered twice: the first one counts.
          {"c", other(), "", ""}
        ]

        assert @scanner.diff(entries, answers) == %{
                 changed: [{"a", :new}, {"b", :code}, {"d", :new}],
                 gone: ["y", "z"],
                 unchanged: 1
               }

        assert @scanner.diff([], []) == %{changed: [], gone: [], unchanged: 0}
      end

      test "returns nothing once all is pushed" do
        entries = @scanner.scan([Application.app_dir(:elixir, "ebin")], []).entries
        answers = entries |> Enum.take_every(2) |> Enum.map(&{&1.module, &1.md5, other(), ""})
        first = @scanner.diff(entries, answers)
        assert length(first.changed) == length(entries)

        pushed = for {module, _why} <- first.changed, into: %{}, do: {module, true}
        answers = for entry <- Digested.entries(entries), pushed[entry.module], do: stamped(entry)

        assert @scanner.diff(entries, answers) ==
                 %{changed: [], gone: [], unchanged: length(entries)}
      end
    end
  end
end
