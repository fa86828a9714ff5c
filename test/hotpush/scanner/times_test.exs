defmodule Hotpush.Scanner.TimesTest do
  @moduledoc "The times that show which sources were saved late. Native and portable return the same."
  use ExUnit.Case, async: true

  alias Hotpush.Scanner.Times
  alias Hotpush.Test.Run

  test "files below folders and links, with their seconds" do
    dir = Run.dir("times")
    at = &Path.join(dir, &1)
    File.mkdir_p!(at.("a/b"))
    for name <- ~w(a/one a/b/two three), do: File.write!(at.(name), name)
    File.touch!(at.("three"), 1_000_000_000)
    File.ln_s!(at.("a"), at.("a/b/loop"))
    File.ln_s!(at.("three"), at.("a/link"))
    File.ln_s!(at.("nowhere"), at.("a/dangling"))
    paths = [at.("a"), at.("three"), at.("gone")]
    seconds = &File.stat!(&1, time: :posix).mtime

    expected = for name <- ~w(a/b/two a/link a/one three), do: {at.(name), seconds.(at.(name))}

    assert Enum.sort(Times.portable(paths)) == expected
    assert Enum.sort(Times.of(paths)) == expected
    assert List.keyfind(expected, at.("a/link"), 0) == {at.("a/link"), 1_000_000_000}
  end
end
