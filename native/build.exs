defmodule Mix.Tasks.Compile.HotpushNative.Progress do
  @moduledoc false
  # On a terminal, one line says how many crates are built; in a pipe, there is none.

  @doc "`count` returns how many there are. It is called only on a terminal."
  @spec start((() -> non_neg_integer())) :: map() | nil
  def start(count) do
    if IO.ANSI.enabled?() do
      show("fetching crates ...")
      show(%{done: MapSet.new(), all: count.()})
    end
  end

  @doc "Reads a line of cargo's JSON."
  @spec saw(map() | nil, String.t()) :: map() | nil
  def saw(nil, _line), do: nil

  def saw(progress, line) do
    with [_, id] <- Regex.run(~r/^{"reason":"compiler-artifact","package_id":"([^"]+)"/, line),
         # A crate's build script is not the crate.
         false <- line =~ ~s("kind":["custom-build"]) do
      show(%{progress | done: MapSet.put(progress.done, id)})
    else
      _ -> progress
    end
  end

  @doc "Removes the line."
  @spec stop(map() | nil) :: :ok
  def stop(nil), do: :ok

  def stop(_progress) do
    show("")
    :ok
  end

  defp show(%{done: done, all: all} = progress) do
    of = if all == 0, do: "", else: " of #{max(all, MapSet.size(done))}"
    show("#{MapSet.size(done)}#{of} crates")
    progress
  end

  # CSI K erases to the end of the line (ECMA-48, EL).
  defp show(text), do: IO.write(["\r", text, "\e[K\r"])
end

defmodule Mix.Tasks.Compile.HotpushNative.Cargo do
  @moduledoc false
  # Runs cargo and rustc, without the variables that the project around us may have set in the
  # environment for its device.

  alias Mix.Tasks.Compile.HotpushNative.Progress

  @minimum {1, 91, 0}

  @scrubbed ~w(CC CXX CPP AR AS LD NM RANLIB STRIP OBJCOPY CFLAGS CXXFLAGS CPPFLAGS LDFLAGS
    CROSSCOMPILE CMAKE_TOOLCHAIN_FILE RUSTFLAGS RUSTDOCFLAGS RUSTLER_TARGET RUSTLER_NIF_VERSION
    RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER HOST_CC HOST_CXX HOST_AR HOST_CFLAGS HOST_CXXFLAGS)

  @scrubbed_prefixes ~w(CARGO_TARGET_ CARGO_BUILD_ CARGO_PROFILE_ PKG_CONFIG TARGET_ CC_ CXX_ AR_
    CFLAGS_ CXXFLAGS_)

  @doc "Builds the library. Returns the path of the artifact, or why there is none."
  @spec build(Path.t()) :: {:ok, Path.t()} | {:error, {atom(), String.t()}}
  def build(native_dir) do
    with {:ok, cargo} <- find("cargo"),
         {:ok, rustc} <- find("rustc"),
         :ok <- check_version(cargo),
         {:ok, triple} <- host_triple(rustc) do
      build(native_dir, cargo, triple)
    end
  end

  defp build(native_dir, cargo, triple) do
    target_dir = System.get_env("HOTPUSH_CARGO_TARGET_DIR") || Path.join(native_dir, "target")

    manifest = ["--manifest-path", Path.join(native_dir, "Cargo.toml")]
    about = ~w(--locked --package hotpush_nif --target #{triple}) ++ manifest

    # Errors as text, and a line of JSON for each crate that is built.
    args = ~w(build --quiet --release --message-format json-render-diagnostics) ++ about
    progress = Progress.start(fn -> crates(cargo, about) end)

    case stream(cargo, args, [{"CARGO_TARGET_DIR", target_dir}], progress) do
      {_output, 0} -> artifact(Path.join([target_dir, triple, "release"]))
      {output, _status} -> {:error, {:build_failed, tail(output)}}
    end
  end

  # How many crates there are to build for this machine; 0 if cargo does not say.
  defp crates(cargo, about) do
    case run(cargo, ~w(tree --quiet --edges normal,build --prefix none) ++ about, []) do
      {output, 0} ->
        for(
          line <- String.split(output, "\n"),
          [name, "v" <> version | _] <- [String.split(line)],
          uniq: true,
          do: {name, version}
        )
        |> length()

      _ ->
        0
    end
  end

  defp artifact(dir) do
    names = ~w(libhotpush_nif.so libhotpush_nif.dylib)

    case Enum.find(Enum.map(names, &Path.join(dir, &1)), &File.regular?/1) do
      nil -> {:error, {:build_failed, "cargo left no library in #{dir}"}}
      path -> {:ok, path}
    end
  end

  defp find(name) do
    case System.find_executable(name) do
      nil -> {:error, {:no_cargo, "#{name} is not installed"}}
      path -> {:ok, path}
    end
  end

  defp check_version(cargo) do
    with {output, 0} <- run(cargo, ["--version"], []),
         [_, major, minor, patch] <- Regex.run(~r/cargo (\d+)\.(\d+)\.(\d+)/, output) do
      version = {String.to_integer(major), String.to_integer(minor), String.to_integer(patch)}

      if version >= @minimum,
        do: :ok,
        else: {:error, {:old_cargo, "cargo #{major}.#{minor}.#{patch} is older than 1.91"}}
    else
      _ -> {:error, {:no_cargo, "cargo --version does not work"}}
    end
  end

  defp host_triple(rustc) do
    with {output, 0} <- run(rustc, ["-vV"], []),
         [_, triple] <- Regex.run(~r/^host: (\S+)$/m, output) do
      {:ok, triple}
    else
      _ -> {:error, {:no_cargo, "rustc -vV does not work"}}
    end
  end

  # From "/", so that cargo finds neither a .cargo/config.toml nor a rust-toolchain.toml of the project
  # around us: it looks for both from the current directory upwards.
  defp run(command, args, env) do
    System.cmd(command, args, cd: "/", env: scrubbed() ++ env, stderr_to_stdout: true)
  rescue
    error in [ErlangError, File.Error] -> {Exception.message(error), 127}
  end

  # Like `run/3`, but line by line.
  defp stream(command, args, env, progress) do
    options = [:binary, :exit_status, :stderr_to_stdout, :hide, line: 65_536, cd: "/", args: args]
    env = for {name, value} <- scrubbed() ++ env, do: {to_charlist(name), chars(value)}
    port = Port.open({:spawn_executable, command}, [{:env, env} | options])
    collect(port, progress, [])
  end

  defp chars(nil), do: false
  defp chars(value), do: to_charlist(value)

  # The output without the JSON.
  defp collect(port, progress, said) do
    receive do
      {^port, {:data, {_, "{\"reason\"" <> _ = line}}} ->
        collect(port, Progress.saw(progress, line), said)

      # The rest of a line that is too long.
      {^port, {:data, {_, line}}} ->
        collect(port, progress, [line | said])

      {^port, {:exit_status, status}} ->
        Progress.stop(progress)
        {said |> Enum.reverse() |> Enum.join("\n"), status}
    end
  end

  # CARGO_ENCODED_RUSTFLAGS overrides the flags in a user's own config file. It cannot be empty, since a
  # port unsets a variable without a value. This flag has no effect on crates of a registry. Crates run
  # their own code during the build, so they get no cookie.
  defp scrubbed do
    by_prefix =
      for {name, _value} <- System.get_env(),
          String.valid?(name),
          String.starts_with?(name, @scrubbed_prefixes) or String.upcase(name) =~ "COOKIE",
          do: name

    [
      {"CARGO_ENCODED_RUSTFLAGS", "--cap-lints=warn"}
      | Enum.map(@scrubbed ++ by_prefix, &{&1, nil})
    ]
  end

  defp tail(output) do
    output |> String.trim() |> String.split("\n") |> Enum.take(-20) |> Enum.join("\n")
  end
end

defmodule Mix.Tasks.Compile.HotpushNative.Build do
  @moduledoc false
  # Builds the native library for the host, whatever the target of the project around us is. Pushing
  # works without it, only slower, so a failure is reported once and is not an error.

  alias Mix.Tasks.Compile.HotpushNative.Cargo

  @doc """
  Builds the library of `native_dir`, whose fingerprint is `wanted`, into `files`. With the option
  `required?: true`, a failure raises.
  """
  @spec run(Path.t(), %{atom() => Path.t()}, String.t(), keyword()) :: {:ok, []} | {:noop, []}
  def run(native_dir, files, wanted, opts) do
    # A library that was built from other sources must not be used.
    Enum.each([files.stamp, files.library], &File.rm/1)

    if System.find_executable("cargo"),
      do: Mix.shell().info("Compiling native library (cargo)")

    with {:ok, artifact} <- Cargo.build(native_dir),
         :ok <- install(artifact, files, wanted) do
      File.rm(files.skipped)
      {:ok, []}
    else
      {:error, reason} -> without(reason, files, wanted, opts)
    end
  end

  # Written to another file and renamed, since a running VM may have mapped the old library. The stamp
  # comes last, so that it never stands for a library that is missing.
  defp install(artifact, files, wanted) do
    beside = files.library <> ".#{System.pid()}"

    with :ok <- File.mkdir_p(Path.dirname(beside)),
         {:ok, _bytes} <- File.copy(artifact, beside),
         :ok <- File.rename(beside, files.library),
         :ok <- File.write(files.stamp, wanted) do
      :ok
    else
      {:error, posix} ->
        File.rm(beside)
        {:error, {:not_installed, "#{files.library}: #{:file.format_error(posix)}"}}
    end
  end

  defp without({kind, detail}, files, wanted, opts) do
    if opts[:required?] do
      Mix.raise("The native library of hotpush could not be built: #{detail}")
    end

    marker = "#{kind} #{wanted}"
    told? = File.read(files.skipped) == {:ok, marker}
    File.mkdir_p(Path.dirname(files.skipped))
    File.write(files.skipped, marker)
    unless told?, do: Mix.shell().info(message(kind, detail))
    {:noop, []}
  end

  defp message(kind, detail) do
    """
    hotpush: no native library (#{detail}).
    Pushing to devices works without it, but is slower. hotpush.toml and finding devices by mDNS need it.
    #{advice(kind)} Set HOTPUSH_NATIVE=off in the environment to stop trying.\
    """
  end

  defp advice(kind) when kind in [:no_cargo, :old_cargo],
    do:
      "To build it, install Rust 1.91 or later (rustup.rs) and run mix deps.compile hotpush --force."

  defp advice(_kind), do: "To try again now, run mix deps.compile hotpush --force."
end
