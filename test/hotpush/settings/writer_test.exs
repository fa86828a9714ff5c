defmodule Hotpush.Config.Toml.WriterTest do
  @moduledoc """
  Writing `hotpush.toml`. Without these tests, others could read a cookie in it, or a file could be lost.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Config.Toml.Writer
  alias Hotpush.Test.Run

  setup do
    dir = Run.dir("writer")
    {:ok, dir: dir, path: Path.join(dir, "hotpush.toml")}
  end

  defp mode(path), do: Bitwise.band(File.stat!(path).mode, 0o777)

  test "only its owner can read a new file; an existing one stays unless it is replaced",
       context do
    %{path: path, dir: dir} = context
    refute Writer.there?(path)
    assert Writer.write(path, "one", false) == :ok
    assert {File.read!(path), mode(path), Writer.there?(path)} == {"one", 0o600, true}
    assert Writer.write(path, "two", false) == {:error, :eexist}
    assert File.read!(path) == "one"
    File.chmod!(path, 0o644)
    assert Writer.write(path, "two", true) == :ok
    assert {File.read!(path), mode(path)} == {"two", 0o600}
    assert File.ls!(dir) == ["hotpush.toml"]
  end

  test "nothing is written through a link", %{path: path, dir: dir} do
    elsewhere = Path.join(dir, "elsewhere")
    File.ln_s!(elsewhere, path)
    assert Writer.there?(path)
    assert Writer.write(path, "one", false) == {:error, :eexist}
    refute File.exists?(elsewhere)
    assert Writer.write(path, "one", true) == :ok
    assert {File.read!(path), File.exists?(elsewhere)} == {"one", false}
    assert File.lstat!(path).type == :regular
  end

  test "a folder is not replaced", %{path: path, dir: dir} do
    File.mkdir_p!(path)
    assert {:error, _} = Writer.write(path, "one", true)
    assert File.ls!(dir) == ["hotpush.toml"]
    assert {:error, :enoent} = Writer.write(Path.join([dir, "no", "x"]), "one", false)
  end
end
