# How fast the native scanner is, compared with what Erlang offers for the same task.
#
#     mix run bench/scan.exs
#
# The files are beams of the OTP and Elixir that run this, up to the size at which 5,000 of them are
# about 50 MB. Each is copied several times under another module name (its first atom is rewritten),
# into a folder for each application and copy. All measurements are made in one run, in turns, with the
# files in the page cache; the median of each counts.

defmodule Hotpush.Bench.Scan do
  alias Hotpush.Scanner.{Native, Portable}
  alias Hotpush.Scanner.Portable.Beam

  @files 5_000
  @bytes 50_000_000
  @rounds 7
  @settled 2_100
  @result Path.expand("results/scan.json", __DIR__)

  def run do
    Hotpush.Native.loaded?() || Mix.raise("there is no native library to measure")
    root = Path.join(System.tmp_dir!(), "hotpush-bench-#{System.pid()}")

    try do
      dirs = make(root)
      Process.sleep(@settled)
      measure(dirs, Path.join(root, "manifest")) |> report(dirs)
    after
      File.rm_rf!(root)
    end
  end

  defp make(root) do
    sources = choose(installed())
    chosen = sources |> Stream.cycle() |> Stream.with_index() |> Enum.take(@files)

    for {path, index} <- chosen do
      copy = div(index, length(sources))
      app = path |> Path.dirname() |> Path.dirname() |> Path.basename()
      name = "#{Path.basename(path, ".beam")}_#{copy}"
      dir = Path.join([root, "#{app}_#{copy}", "ebin"])
      File.mkdir_p!(dir)
      File.write!(Path.join(dir, name <> ".beam"), path |> File.read!() |> rename(name))
      dir
    end
    |> Enum.uniq()
  end

  defp installed do
    otp = Path.wildcard(Path.join(:code.root_dir(), "lib/*/ebin"))
    elixir = Path.wildcard(Path.join(Path.dirname(Application.app_dir(:elixir)), "*/ebin"))
    scan = Native.scan(Enum.uniq(otp ++ Enum.map(elixir, &Path.expand/1)))
    Enum.map(scan.entries, &{&1.size, &1.path})
  end

  # The largest prefix by size whose mean is small enough.
  defp choose(sized) do
    mean = div(@bytes, @files)

    {_total, _count, paths} =
      sized
      |> Enum.sort()
      |> Enum.reduce_while({0, 0, []}, fn {size, path}, {total, count, paths} ->
        if total + size <= mean * (count + 1),
          do: {:cont, {total + size, count + 1, [path | paths]}},
          else: {:halt, {total, count, paths}}
      end)

    Enum.reverse(paths)
  end

  defp rename(bytes, name) do
    plain = if match?(<<0x1F, 0x8B, _::binary>>, bytes), do: :zlib.gunzip(bytes), else: bytes
    {:ok, chunks} = Beam.parse(plain)
    {:ok, old} = Beam.module(chunks)
    {"AtU8", <<count::signed-32, atoms::binary>>} = List.keyfind(chunks, "AtU8", 0)
    skip = byte_size(atom(count, old))
    rest = binary_part(atoms, skip, byte_size(atoms) - skip)
    atoms = <<count::32, atom(count, name)::binary, rest::binary>>
    Beam.build(List.keyreplace(chunks, "AtU8", 0, {"AtU8", atoms}))
  end

  defp atom(count, name) when count > 0, do: <<byte_size(name), name::binary>>

  defp atom(_count, name) when byte_size(name) < 16,
    do: <<byte_size(name)::4, 0::4, name::binary>>

  defp atom(_count, name), do: <<0::3, 1::2, 0::3, byte_size(name), name::binary>>

  defp measure(dirs, manifest) do
    paths = for dir <- dirs, name <- File.ls!(dir), do: Path.join(dir, name)
    charlists = Enum.map(paths, &String.to_charlist/1)
    cpus = System.schedulers_online()
    Native.scan(dirs, manifest: manifest)
    Portable.scan(dirs, manifest: manifest <> ".portable")
    check(dirs, manifest, charlists)

    cases =
      [
        sequential: fn -> Enum.each(charlists, &md5/1) end,
        native: fn -> Native.scan(dirs) end,
        native_warm: fn -> Native.scan(dirs, manifest: manifest) end,
        portable: fn -> Portable.scan(dirs) end,
        portable_warm: fn -> Portable.scan(dirs, manifest: manifest <> ".portable") end,
        walk_elixir: fn -> Enum.each(dirs, &walk/1) end
      ] ++
        for n <- Enum.uniq([cpus, 2 * cpus, 4 * cpus, 8 * cpus]) do
          {:"async_stream_#{n}", fn -> parallel(charlists, n) end}
        end

    for(_ <- 1..@rounds, {name, fun} <- cases, do: {name, milliseconds(fun)})
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
    |> Map.new(fn {name, times} -> {name, median(times)} end)
    |> Map.put(:walk_rust, walk_rust(dirs))
  end

  # The fast result has to be right, too.
  defp check(dirs, manifest, charlists) do
    warm = Native.scan(dirs, manifest: manifest)
    cold = Native.scan(dirs)
    %{problems: [], read: 0, cached: @files} = warm
    %{problems: [], read: @files, cached: 0} = cold
    true = warm.entries == cold.entries
    known = Map.new(cold.entries, &{&1.path, &1.md5})
    true = Enum.all?(charlists, &(elem(md5(&1), 1) == known[List.to_string(&1)]))
  end

  defp md5(path) do
    {:ok, {module, md5}} = :beam_lib.md5(path)
    {module, md5}
  end

  defp parallel(paths, n) do
    paths
    |> Task.async_stream(&md5/1, max_concurrency: n, ordered: false, timeout: :infinity)
    |> Stream.run()
  end

  defp walk(dir), do: for(name <- File.ls!(dir), do: File.stat!(Path.join(dir, name)))

  # A separate program, which also measures the scanner without a VM.
  defp walk_rust(dirs) do
    manifest = Path.expand("../native/Cargo.toml", __DIR__)
    build = ~w(build --quiet --release --locked -p hotpush_core --example walk --manifest-path)
    target = Path.join(System.tmp_dir!(), "hotpush-bench-target-#{System.pid()}")

    with cargo when is_binary(cargo) <- System.find_executable("cargo"),
         {_, 0} <- System.cmd(cargo, build ++ [manifest, "--target-dir", target]) do
      list = Path.join(System.tmp_dir!(), "hotpush-bench-dirs-#{System.pid()}")
      File.write!(list, Enum.join(dirs, "\n"))
      program = Path.join(target, "release/examples/walk")
      command = ~s("#{program}" #{@rounds} < "#{list}")
      {output, 0} = System.cmd("sh", ["-c", command])
      File.rm!(list)

      output
      |> String.split("\n", trim: true)
      |> Enum.map(&(&1 |> String.split() |> hd() |> String.to_float()))
      |> median()
    else
      _ -> nil
    end
  after
    File.rm_rf!(Path.join(System.tmp_dir!(), "hotpush-bench-target-#{System.pid()}"))
  end

  # In a new process, so that no measurement pays for the garbage of another.
  defp milliseconds(fun) do
    Task.async(fn -> fun |> :timer.tc() |> elem(0) |> Kernel./(1000) end)
    |> Task.await(:infinity)
  end

  defp median(times), do: times |> Enum.sort() |> Enum.at(div(length(times), 2))

  defp report(times, dirs) do
    {name, best} =
      times
      |> Enum.filter(fn {name, _} -> "#{name}" =~ "async_stream" end)
      |> Enum.min_by(&elem(&1, 1))

    ratios =
      [
        {:native_vs_sequential, times.sequential / times.native, "at least 10"},
        {:native_vs_async_stream, best / times.native, "at least 5"},
        {:warm_vs_walk_elixir, times.native_warm / times.walk_elixir, "at most 2.5"}
      ] ++
        if(times.walk_rust,
          do: [{:warm_vs_walk_rust, times.native_warm / times.walk_rust, "at most 2.5"}],
          else: []
        )

    bytes = Enum.sum(for d <- dirs, n <- File.ls!(d), do: File.stat!(Path.join(d, n)).size)
    cpus = System.schedulers_online()
    otp = System.otp_release()
    IO.puts("#{@files} files, #{bytes} bytes, #{length(dirs)} folders, #{cpus} cpus, OTP #{otp}")
    IO.puts("medians of #{@rounds}, in ms; best async_stream: #{name}")
    for {name, ms} <- Enum.sort(times), ms, do: IO.puts("  #{name}: #{round1(ms)}")
    for {name, ratio, wanted} <- ratios, do: IO.puts("#{name}: #{round1(ratio)} (#{wanted})")

    write(
      [files: @files, bytes: bytes, folders: length(dirs), cpus: cpus, rounds: @rounds] ++
        for({name, ms} <- Enum.sort(times), ms, do: {:"#{name}_ms", round1(ms)}) ++
        for({name, ratio, _} <- ratios, do: {name, round1(ratio)}),
      otp: otp,
      elixir: System.version(),
      best_async_stream: Atom.to_string(name)
    )
  end

  defp round1(number), do: Float.round(number * 1.0, 1)

  # Numbers and plain words need no JSON library.
  defp write(numbers, words) do
    lines =
      for({key, value} <- numbers, do: ~s(  "#{key}": #{value})) ++
        for {key, value} <- words, do: ~s(  "#{key}": "#{value}")

    File.mkdir_p!(Path.dirname(@result))
    File.write!(@result, "{\n" <> Enum.join(lines, ",\n") <> "\n}\n")
  end
end

Hotpush.Bench.Scan.run()
