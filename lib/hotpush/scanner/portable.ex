defmodule Hotpush.Scanner.Portable do
  @moduledoc """
  The scanner that needs only OTP. It returns the same as `Hotpush.Scanner.Native`, but is slower. Its
  entries have no content digest; `diff/2` computes those that it needs.
  """

  @behaviour Hotpush.Scanner.Behaviour

  alias Hotpush.Scanner.Layout
  alias Hotpush.Scanner
  alias Hotpush.Scanner.Portable.{Batches, Beam, Diff, Digests, Identity, Manifest, Source}

  @impl true
  @spec scan([Path.t()], keyword()) :: Scanner.scan()
  def scan(dirs, opts \\ []) do
    keep = Keyword.get(opts, :keep, [])
    file = opts[:manifest]
    manifest = Manifest.load(file, keep)
    {files, missing} = list(dirs)
    seen = Batches.map(files, fn {dir, path} -> {dir, path, look(path, keep, manifest)} end)
    remember(seen, manifest, file, keep)
    {entries, problems} = choose(seen, Keyword.get(opts, :overlay, 0), missing)

    %{
      entries: entries |> Enum.map(&later(&1, keep, file)) |> Enum.sort_by(& &1.module),
      problems: Enum.sort_by(problems, &{&1.path, &1.kind}),
      read: count(seen, :read),
      cached: count(seen, :manifest)
    }
  end

  @impl true
  @spec diff([Scanner.entry()], [Scanner.answer()]) :: Scanner.diff()
  def diff(entries, answers) do
    digests = entries |> Diff.stamped(answers) |> Digests.of()
    Diff.diff(entries, answers, digests)
  end

  @impl true
  @spec pack([{String.t(), String.t()}], keyword()) ::
          [{:ok, Scanner.packed()} | {:error, Scanner.problem()}]
  def pack(files, opts \\ []) do
    keep = Keyword.get(opts, :keep, [])

    Batches.map(files, fn {path, app} ->
      with {:error, flaw} <- pack_file(path, app, keep), do: {:error, problem(path, flaw)}
    end)
  end

  defp list(dirs) do
    dirs = Enum.map(dirs, &Layout.folder/1)

    for {dir, index} <- Enum.with_index(dirs), reduce: {[], []} do
      {files, missing} ->
        case Source.list(dir) do
          {:ok, paths} -> {files ++ Enum.map(paths, &{index, &1}), missing}
          {:error, flaw} -> {files, [problem(dir, flaw) | missing]}
        end
    end
  end

  # {where from, {:ok, identity} | {:error, flaw}, what the manifest remembers of it}
  defp look(path, keep, manifest) do
    with {:ok, stat} <- Source.stat(path),
         :error <- known(path, stat, manifest),
         {:ok, content, {stat, read_at}} <- Source.read_at(path, stat) do
      case Identity.of_bytes(content, keep) do
        {:ok, identity, _chunks} ->
          record = if Manifest.settled?(stat, read_at), do: {stat, identity, ""}
          {:read, sized(identity, stat), record}

        {:error, flaw} ->
          {:read, {:error, flaw}, nil}
      end
    else
      {:error, flaw} -> {:nowhere, {:error, flaw}, nil}
      known -> known
    end
  end

  defp known(path, stat, manifest) do
    with {:ok, identity, digest} <- Manifest.find(manifest, path, stat),
         do: {:manifest, sized(identity, stat), {stat, identity, digest}}
  end

  defp sized(identity, {size, _mtime, _ctime, _inode}), do: {:ok, Map.put(identity, :size, size)}

  defp remember(_seen, _manifest, nil, _keep), do: :ok

  defp remember(seen, manifest, file, keep) do
    now = for {_dir, path, {_, _, record}} <- seen, record != nil, into: %{}, do: {path, record}
    if now != manifest, do: Manifest.save(now, file, keep)
  end

  defp count(seen, from), do: Enum.count(seen, fn {_, _, {source, _, _}} -> source == from end)

  defp later(entry, keep, file) do
    {rest_md5, entry} = Map.pop!(entry, :rest_md5)
    Map.put(entry, :digest, {:later, rest_md5, keep, file})
  end

  # The first folder wins. A bad file in an overlay still hides the file that it replaces, which is known
  # to be wrong.
  defp choose(seen, overlay, missing) do
    {entries, problems, _winners, _hidden} =
      Enum.reduce(seen, {[], missing, %{}, MapSet.new()}, fn
        {dir, path, {_source, result, _record}}, {entries, problems, winners, hidden} = acc ->
          name = Path.basename(path)

          with false <- name in hidden,
               {:ok, identity} <- result,
               :ok <- check_name(path, identity),
               :error <- Map.fetch(winners, identity.module) do
            entry = Map.merge(identity, %{dir: dir, path: path})
            {[entry | entries], problems, Map.put(winners, identity.module, dir), hidden}
          else
            true ->
              acc

            {:ok, winner} when winner < overlay ->
              acc

            {:ok, _winner} ->
              flaw = {:duplicate_module, "#{Path.rootname(name)} is in an earlier folder too"}
              {entries, [problem(path, flaw) | problems], winners, hidden}

            {:error, flaw} ->
              hidden = if dir < overlay, do: MapSet.put(hidden, name), else: hidden
              {entries, [problem(path, flaw) | problems], winners, hidden}
          end
      end)

    {entries, problems}
  end

  # The file must have the name of its module, or the loader on the device rejects it.
  defp check_name(path, %{module: module}) do
    if Path.basename(path) == module <> ".beam",
      do: :ok,
      else: {:error, {:wrong_name, "holds #{module}"}}
  end

  defp pack_file(path, app, keep) do
    with {:ok, content} <- Source.read(path),
         {:ok, identity, chunks} <- Identity.of_bytes(content, keep),
         digest = Identity.digest(chunks, keep),
         {:ok, stamp} <- stamp(app, digest),
         :ok <- check_name(path, identity) do
      beam = chunks |> stamped(stamp, keep) |> Beam.build()
      {:ok, %{module: identity.module, md5: identity.md5, digest: digest, beam: beam}}
    end
  end

  # The stamp takes the place of `CInf`, or comes last.
  defp stamped(chunks, stamp, keep) do
    kept = Identity.kept_ids(keep)

    stamped =
      Enum.flat_map(chunks, fn
        {"CInf", _data} -> [{"CInf", stamp}]
        {id, data} -> if id in kept, do: [{id, data}], else: []
      end)

    if List.keymember?(stamped, "CInf", 0), do: stamped, else: stamped ++ [{"CInf", stamp}]
  end

  # Written byte by byte, so that the name of an application does not become an atom here.
  defp stamp(app, digest) when byte_size(app) < 256 do
    {:ok,
     <<131, 108, 1::32, 104, 2, 119, 7, "hotpush", 104, 2, 119, byte_size(app), app::binary, 109,
       32::32, digest::binary, 106>>}
  end

  defp stamp(_app, _digest), do: {:error, {:wrong_name, "the application's name is too long"}}

  defp problem(path, {kind, detail}), do: problem(path, {kind, nil, detail})

  defp problem(path, {kind, posix, detail}),
    do: %{path: path, kind: kind, posix: posix, detail: detail}
end
