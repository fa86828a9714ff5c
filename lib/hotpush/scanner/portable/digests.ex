defmodule Hotpush.Scanner.Portable.Digests do
  @moduledoc """
  The content digests of files, for those that are needed: BLAKE3 takes longer here than all the rest
  of a scan. What was found out stays in the manifest.
  """

  alias Hotpush.{Scanner, Turn}
  alias Hotpush.Scanner.Portable.{Batches, Identity, Manifest, Source}

  @doc "By path. A file that cannot be read any more has none."
  @spec of([Scanner.entry()]) :: %{String.t() => binary()}
  def of(entries) do
    entries
    |> Enum.filter(&match?({:later, _, _, _}, &1.digest))
    |> Enum.group_by(fn %{digest: {:later, _rest_md5, keep, manifest}} -> {keep, manifest} end)
    |> Enum.reduce(%{}, fn {{keep, manifest}, entries}, digests ->
      Map.merge(digests, of(Enum.map(entries, & &1.path), keep, manifest))
    end)
  end

  defp of(paths, keep, nil), do: elem(find(paths, keep, %{}), 0)

  # The devices of a push are compared side by side: the first one computes for all.
  defp of(paths, keep, file) do
    Turn.take(:digests, fn ->
      manifest = Manifest.load(file, keep)
      {digests, later} = find(paths, keep, manifest)
      if later != manifest, do: Manifest.save(later, file, keep)
      digests
    end)
  end

  defp find(paths, keep, manifest) do
    for {path, digest, record} <- Batches.map(paths, &digest(&1, keep, manifest)),
        reduce: {%{}, manifest} do
      {digests, manifest} ->
        manifest = if record, do: Map.put(manifest, path, record), else: manifest
        {if(digest, do: Map.put(digests, path, digest), else: digests), manifest}
    end
  end

  defp digest(path, keep, manifest) do
    with {:ok, stat} <- Source.stat(path) do
      case Manifest.find(manifest, path, stat) do
        {:ok, _identity, <<_::256>> = digest} -> {path, digest, nil}
        _ -> compute(path, stat, keep)
      end
    else
      {:error, _flaw} -> {path, nil, nil}
    end
  end

  defp compute(path, stat, keep) do
    with {:ok, content, {stat, read_at}} <- Source.read_at(path, stat),
         {:ok, identity, chunks} <- Identity.of_bytes(content, keep) do
      digest = Identity.digest(chunks, keep)
      record = if Manifest.settled?(stat, read_at), do: {stat, identity, digest}
      {path, digest, record}
    else
      {:error, _flaw} -> {path, nil, nil}
    end
  end
end
