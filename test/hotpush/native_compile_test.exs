defmodule Hotpush.NativeCompileTest do
  @moduledoc """
  Building the native library. Without these tests, a user without Rust, or with an old version of it,
  might not be able to compile a project.
  """
  use ExUnit.Case, async: true

  # A separate project around a copy of native/, so that Hotpush's own library is not rebuilt.
  @moduletag :cargo
  @moduletag timeout: 600_000

  @library "_build/dev/lib/copy/priv/native/hotpush_nif.so"

  # Variables that cross-compiling projects and other Rust packages set.
  @foreign %{
    "CC" => "false",
    "CXX" => "false",
    "AR" => "false",
    "LD" => "false",
    "CFLAGS" => "--bogus",
    "LDFLAGS" => "--bogus",
    "RUSTFLAGS" => "--bogus",
    "CARGO_ENCODED_RUSTFLAGS" => "--bogus",
    "CARGO_BUILD_TARGET" => "bogus",
    "CARGO_BUILD_RUSTFLAGS" => "--bogus",
    "CARGO_PROFILE_RELEASE_PANIC" => "bogus",
    "RUSTC_WRAPPER" => "false",
    "RUSTLER_TARGET" => "bogus",
    "TARGET_CC" => "false",
    "CROSSCOMPILE" => "bogus"
  }

  setup do
    root = Path.join(System.tmp_dir!(), "hotpush native [#{System.unique_integer([:positive])}]")
    dir = Path.join(root, "copy")
    File.mkdir_p!(Path.join(dir, "native"))
    on_exit(fn -> File.rm_rf!(root) end)

    for name <- ~w(compile.exs build.exs Cargo.toml Cargo.lock hotpush_core hotpush_nif),
        do: File.cp_r!(Path.join("native", name), Path.join([dir, "native", name]))

    File.write!(Path.join(dir, "mix.exs"), """
    Code.require_file("native/compile.exs", __DIR__)

    defmodule Copy.MixProject do
      use Mix.Project

      def project do
        [app: :copy, version: "0.1.0", compilers: [:hotpush_native | Mix.compilers()]]
      end
    end
    """)

    {:ok, root: root, dir: dir, library: Path.join(dir, @library)}
  end

  defp mix(ctx, env \\ %{}, args \\ ["compile"]) do
    ours = %{
      "HOTPUSH_CARGO_TARGET_DIR" => Path.expand("native/target"),
      "HOTPUSH_NATIVE" => nil,
      "MIX_ENV" => "dev",
      "MIX_TARGET" => nil,
      "MIX_BUILD_PATH" => nil,
      "MIX_BUILD_ROOT" => nil
    }

    env = ours |> Map.merge(env) |> Map.to_list()
    options = [cd: ctx[:in] || ctx.dir, env: env, stderr_to_stdout: true]
    {output, status} = System.cmd(System.find_executable("mix"), args, options)
    {output |> String.replace("Generated copy app\n", "") |> String.trim(), status}
  end

  # A PATH with only the cargo that the test puts there, which is a shell script.
  defp path(ctx, cargo \\ nil) do
    bin = Path.join(ctx.root, "bin")
    File.rm_rf!(bin)
    File.mkdir_p!(bin)

    for name <-
          ~w(mix elixir erl sh uname dirname basename readlink expr cat sed tr rm env mkdir),
        found = System.find_executable(name),
        do: File.ln_s!(found, Path.join(bin, name))

    if cargo do
      File.write!(Path.join(bin, "rustc"), "#!/bin/sh\necho 'host: some-host-triple'\n")
      File.write!(Path.join(bin, "cargo"), "#!/bin/sh\n" <> cargo)
      for name <- ~w(rustc cargo), do: File.chmod!(Path.join(bin, name), 0o755)
    end

    %{"PATH" => bin}
  end

  # The one test with the real cargo and rustc. Hotpush's own sources take half a minute, and running the
  # tests with HOTPUSH_NATIVE=required, as bin/test does, shows that they build. Here, the same crates with
  # the same dependencies are almost empty.
  test "the real cargo builds in any environment, and shows compile errors",
       ctx do
    config = Path.join(ctx.root, ".cargo/config.toml")
    File.mkdir_p!(Path.dirname(config))
    File.write!(config, "[build]\ntarget = \"bogus\"\nrustflags = [\"--bogus\"]\n")

    # Another version: in the shared target folder, its files must not replace Hotpush's own.
    lock = Path.join(ctx.dir, "native/Cargo.lock")
    ours = ~r/(name = "hotpush_\w+"\nversion = ")[^"]*/
    File.write!(lock, Regex.replace(ours, File.read!(lock), "\\g{1}0.0.1"))

    for crate <- ~w(core nif) do
      manifest = Path.join(ctx.dir, "native/hotpush_#{crate}/Cargo.toml")
      text = Regex.replace(~r/^version = "[^"]*"/m, File.read!(manifest), ~s(version = "0.0.1"))
      File.write!(manifest, text)
      source = Path.join(ctx.dir, "native/hotpush_#{crate}/src/lib.rs")
      File.rm_rf!(Path.dirname(source))
      File.mkdir_p!(Path.dirname(source))
      File.write!(source, "pub extern \"C\" fn nif_init() {}\n")
    end

    assert mix(ctx, Map.put(@foreign, "MIX_ENV", "dev")) ==
             {"Compiling native library (cargo)", 0}

    assert <<_, "ELF", _::binary>> = elf_or_other(File.read!(ctx.library))
    refute File.exists?(Path.join(ctx.dir, "native/target"))

    # A library of older sources is not used with newer ones.
    source = Path.join(ctx.dir, "native/hotpush_nif/src/lib.rs")
    File.write!(source, "this does not compile")
    assert {"Compiling native library (cargo)" <> message, 0} = mix(ctx)
    assert message =~ "no native library"
    refute File.exists?(ctx.library)
    assert {output, 1} = mix(ctx, %{"HOTPUSH_NATIVE" => "required"})
    assert output =~ "could not be built"
  end

  # On systems with another format than ELF, a stand-in.
  defp elf_or_other(<<_, "ELF", _::binary>> = library), do: library
  defp elf_or_other(_library), do: <<0, "ELF">>

  test "builds once, and again when a source changes; cargo does not get the environment",
       ctx do
    env = Map.merge(path(ctx, building(ctx)), target(ctx))
    assert mix(ctx, Map.merge(@foreign, env)) == {"Compiling native library (cargo)", 0}
    built = version(ctx.library)

    seen = ctx.root |> Path.join("environment") |> File.read!() |> String.split("\n")
    for {name, value} <- @foreign, value != "", do: refute("#{name}=#{value}" in seen)
    # These replace the flags in the user's own config file.
    assert "CARGO_ENCODED_RUSTFLAGS=--cap-lints=warn" in seen
    # In a folder from which cargo does not find the project's .cargo/config.toml.
    assert "PWD=/" in seen

    # Even without cargo, the build sees that nothing has changed.
    assert mix(ctx, path(ctx)) == {"", 0}
    assert mix(ctx, Map.put(path(ctx), "HOTPUSH_NATIVE", "required")) == {"", 0}
    assert version(ctx.library) == built

    env = Map.merge(path(ctx, building(ctx)), target(ctx))
    source = Path.join(ctx.dir, "native/hotpush_nif/src/lib.rs")
    File.write!(source, File.read!(source) <> "\n// Changed.\n")
    assert mix(ctx, env) == {"Compiling native library (cargo)", 0}
    refute version(ctx.library) == built

    assert {_, 0} = mix(ctx, %{}, ["clean"])
    assert File.ls!(Path.dirname(ctx.library)) == []
  end

  defp version(path), do: path |> File.stat!() |> Map.take([:inode, :mtime, :ctime, :size])

  test "without cargo, it says so once and goes on", ctx do
    env = path(ctx)
    assert {message, 0} = mix(ctx, env)
    assert message =~ "no native library (cargo is not installed)"
    assert message =~ "Pushing to devices works without it, but is slower."
    assert message =~ "rustup.rs) and run mix deps.compile hotpush --force."
    assert mix(ctx, env) == {"", 0}
    refute File.exists?(ctx.library)

    assert {output, 1} = mix(ctx, Map.put(env, "HOTPUSH_NATIVE", "required"))
    assert output =~ "The native library of hotpush could not be built: cargo is not installed"
  end

  test "an old cargo, or one that fails, is not run again and again", ctx do
    assert {message, 0} = mix(ctx, path(ctx, "echo 'cargo 1.90.1 (of some day)'\n"))
    assert message =~ "cargo 1.90.1 is older than 1.91"

    log = Path.join(ctx.root, "log")

    failing = """
    [ "$1" = --version ] && { echo 'cargo 1.95.0'; exit 0; }
    echo "$@" >> '#{log}'
    echo 'error: no network'
    exit 101
    """

    File.rm_rf!(Path.join(ctx.dir, "_build"))
    env = path(ctx, failing)
    assert {message, 0} = mix(ctx, env)
    assert message =~ "error: no network"
    assert mix(ctx, env) == {"", 0}
    assert [asked] = log |> File.read!() |> String.split("\n", trim: true)
    assert asked =~ "--locked"
    assert asked =~ "--target some-host-triple"
    assert {"Compiling native library (cargo)" <> _, 0} = mix(ctx, env, ["compile", "--force"])
    assert log |> File.read!() |> String.split("\n", trim: true) |> length() == 2
  end

  # A stand-in that builds two crates, and records its arguments and environment.
  defp building(ctx) do
    """
    [ "$1" = --version ] && { echo 'cargo 1.95.0'; exit 0; }
    [ "$1" = tree ] && { printf 'one v1.0.0\ntwo v0.1.0 (proc-macro)\n\none v1.0.0 (*)\n'; exit 0; }
    env > '#{ctx.root}/environment'
    for done in 'one@1","target":{"kind":["custom-build"]}' 'one@1","target":{"kind":["lib"]}' \
      'two@2","target":{"kind":["proc-macro"]}'; do
      echo '{"reason":"compiler-artifact","package_id":"'"$done"'}'
    done
    mkdir -p "$CARGO_TARGET_DIR/some-host-triple/release"
    echo a library > "$CARGO_TARGET_DIR/some-host-triple/release/libhotpush_nif.so"
    """
  end

  defp target(ctx), do: %{"HOTPUSH_CARGO_TARGET_DIR" => Path.join(ctx.root, "target")}

  test "the command that it suggests rebuilds the library in a project that depends on Hotpush",
       ctx do
    consumer = Path.join(ctx.root, "consumer")
    File.mkdir_p!(consumer)
    # Linked into the build, as Hotpush's own library is.
    File.mkdir_p!(Path.join(ctx.dir, "priv"))

    File.write!(Path.join(consumer, "mix.exs"), """
    defmodule Consumer.MixProject do
      use Mix.Project

      def project do
        [app: :consumer, version: "0.1.0", deps: [{:copy, path: "../copy", runtime: false}]]
      end
    end
    """)

    library = Path.join(consumer, @library)
    ctx = Map.put(ctx, :in, consumer)
    assert {message, 0} = mix(ctx, path(ctx))
    assert message =~ "run mix deps.compile hotpush --force."

    failing = "[ \"$1\" = --version ] && { echo 'cargo 1.95.0'; exit 0; }\nexit 101\n"
    assert {message, 0} = mix(ctx, path(ctx, failing))
    assert message =~ "To try again now, run mix deps.compile hotpush --force."
    refute File.exists?(library)

    env = Map.merge(path(ctx, building(ctx)), target(ctx))
    mix(ctx, env)
    refute File.exists?(library)
    assert {message, 0} = mix(ctx, env, ["deps.compile", "copy", "--force"])
    assert message =~ "Compiling native library (cargo)"
    assert File.read!(library) == "a library\n"
  end

  test "on a terminal, it says how many crates are done; cargo gets no cookie", ctx do
    env =
      path(ctx, building(ctx))
      |> Map.merge(target(ctx))
      |> Map.merge(%{"HOTPUSH_COOKIE" => "s3cret", "MIX_ENV" => "dev", "HOTPUSH_NATIVE" => nil})
      |> Map.merge(%{"TERM" => "xterm", "SHELL" => "/bin/sh"})

    options = [cd: ctx.dir, env: Map.to_list(env), stderr_to_stdout: true]
    {output, 0} = System.cmd("script", ["-qefc", "mix compile", "/dev/null"], options)
    assert output =~ ~r/Compiling native library.*\r0 of 2 .*\r1 of 2 .*\r2 of 2 crates.*\r\e\[K/s
    assert File.read!(ctx.library) == "a library\n"
    seen = File.read!(Path.join(ctx.root, "environment"))
    assert seen =~ "PATH="
    refute seen =~ "s3cret"

    # In a pipe, or if nothing is left to do, it prints nothing of this.
    assert mix(ctx, env) == {"", 0}
    {_, 0} = mix(ctx, env, ["clean"])
    assert mix(ctx, env) == {"Compiling native library (cargo)", 0}
  end

  test "HOTPUSH_NATIVE=off builds nothing", ctx do
    assert mix(ctx, %{"HOTPUSH_NATIVE" => "off"}) == {"", 0}
    refute File.exists?(Path.dirname(ctx.library))
  end
end
