defmodule Hotpush.Project.LateSaves.Record do
  @moduledoc """
  The content of sources that were compiled in the second of their last save.

  A source that still has this content has not changed since, whatever its time is. The record is a file
  in the build folder. An entry is valid as long as the compilers' manifests are those that Hotpush's
  compilation left.
  """

  @typedoc "For each folder of beams the digest of its manifests, and the digests of sources."
  @type t :: %{optional(Path.t()) => {binary(), digests()}}
  @type digests :: %{optional(Path.t()) => binary()}

  @doc "Reads the record. A missing or damaged file counts as empty."
  @spec read(Path.t()) :: t()
  def read(file) do
    with {:ok, binary} <- File.read(file),
         {:ok, %{} = record} <- decode(binary),
         true <- Enum.all?(record, &match?({_ebin, {<<_::binary>>, %{}}}, &1)) do
      record
    else
      _ -> %{}
    end
  end

  defp decode(binary) do
    {:ok, :erlang.binary_to_term(binary, [:safe])}
  rescue
    ArgumentError -> :error
  end

  @doc "Its entry for the sources whose beams are in the folder `ebin`."
  @spec of(t(), Path.t(), [Path.t()]) :: digests()
  def of(record, ebin, manifests) do
    case record do
      %{^ebin => {digest, digests}} -> if digest == digest(manifests), do: digests, else: %{}
      _ -> %{}
    end
  end

  @doc "The record after `digests` were compiled into `ebin`."
  @spec entry(Path.t(), [Path.t()], digests()) :: t()
  def entry(_ebin, _manifests, digests) when digests == %{}, do: %{}
  def entry(ebin, manifests, digests), do: %{ebin => {digest(manifests), digests}}

  @doc "The digests of files, without those that cannot be read."
  @spec digests([Path.t()]) :: digests()
  def digests(files) do
    for file <- files, {:ok, binary} <- [File.read(file)], into: %{} do
      {file, :erlang.md5(binary)}
    end
  end

  defp digest(manifests), do: manifests |> digests() |> :erlang.term_to_binary() |> :erlang.md5()

  @doc "Writes the record to another file, and renames it. If that fails, there is no record."
  @spec write(t(), Path.t()) :: :ok
  def write(record, file) do
    with {:error, _reason} <- Hotpush.StateFile.replace(file, :erlang.term_to_binary(record)),
         do: File.rm(file)

    :ok
  end
end
