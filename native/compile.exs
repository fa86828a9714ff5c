defmodule Mix.Tasks.Compile.HotpushNative do
  @moduledoc false
  # Checks whether the native library was built from these sources. Every mix command in a project that
  # depends on hotpush compiles this file, so the code that builds the library is in another one.

  use Mix.Task.Compiler

  alias Mix.Tasks.Compile.HotpushNative.Build

  @compile {:no_warn_undefined, Build}
  @native_dir __DIR__
  @retry_after_seconds 600

  @impl true
  def run(args) do
    case System.get_env("HOTPUSH_NATIVE") do
      "off" -> {:noop, []}
      mode -> ensure(required?: mode == "required", force?: "--force" in args)
    end
  end

  @impl true
  def clean do
    files() |> Map.values() |> Enum.each(&File.rm/1)
  end

  defp ensure(opts) do
    wanted = fingerprint()

    cond do
      File.regular?(library()) and File.read(stamp_file()) == {:ok, wanted} -> {:noop, []}
      skip?(wanted, opts) -> {:noop, []}
      true -> build(wanted, opts)
    end
  end

  defp build(wanted, opts) do
    Code.require_file("build.exs", @native_dir)
    Build.run(@native_dir, files(), wanted, opts)
  end

  defp files, do: %{library: library(), stamp: stamp_file(), skipped: skipped_file()}

  # It is cheap to look for a missing cargo again, but not to repeat a failed build.
  defp skip?(wanted, opts) do
    not opts[:required?] and not opts[:force?] and
      case {File.read(skipped_file()), File.stat(skipped_file(), time: :posix)} do
        {{:ok, "no_cargo " <> ^wanted}, _stat} ->
          System.find_executable("cargo") == nil

        {{:ok, marker}, {:ok, stat}} ->
          String.ends_with?(marker, " " <> wanted) and
            System.os_time(:second) - stat.mtime < @retry_after_seconds

        _ ->
          false
      end
  end

  # What the library depends on: the sources, the versions of their dependencies, and the machine
  # (machines of different kinds may share one checkout).
  defp fingerprint do
    files =
      for top <- ~w(Cargo.toml Cargo.lock hotpush_core hotpush_nif),
          file <- sources(top),
          do: {file, File.read(Path.join(@native_dir, file))}

    architecture = List.to_string(:erlang.system_info(:system_architecture))

    {architecture, files}
    |> :erlang.term_to_binary(minor_version: 2)
    |> :erlang.md5()
    |> Base.encode16(case: :lower)
  end

  # Not Path.wildcard: the path of the checkout may contain its special characters.
  defp sources(path) do
    case File.ls(Path.join(@native_dir, path)) do
      {:ok, names} ->
        for name <- Enum.sort(names),
            name not in ~w(tests examples benches proptest-regressions),
            file <- sources(Path.join(path, name)),
            do: file

      {:error, _not_a_folder} ->
        [path]
    end
  end

  defp library, do: Path.join(folder(), "hotpush_nif.so")
  defp stamp_file, do: Path.join(folder(), "hotpush_nif.stamp")
  # In the build folder, which mix deps.compile --force removes.
  defp skipped_file, do: Path.join(Mix.Project.app_path(), ".mix/hotpush_nif.skipped")
  defp folder, do: Path.join(Mix.Project.app_path(), "priv/native")
end
