defmodule Hotpush.Scanner.Portable.Identity do
  @moduledoc """
  The identity of a module.
  """

  alias Hotpush.Scanner.Layout
  alias Hotpush.Scanner.Portable.{Beam, Blake3, Gzip}

  # The emulator's MD5 covers the chunks in this order, whatever the order in the file.
  @md5_chunks ~w(Atom AtU8 Code StrT ImpT ExpT FunT LitT)

  @type t :: %{
          module: String.t(),
          md5: binary(),
          bare_md5: binary(),
          line_md5: binary(),
          rest_md5: binary()
        }

  @doc """
  The chunks of a file's content, compressed or not, and its identity. `rest_md5` is of the chunks
  that travel and that the module's MD5 does not cover.
  """
  @spec of_bytes(binary(), [String.t()]) ::
          {:ok, t(), [Beam.chunk()]} | {:error, {atom(), String.t()}}
  def of_bytes(bytes, keep) do
    with {:ok, plain} <- Gzip.inflate(bytes),
         {:ok, chunks} <- Beam.parse(plain),
         {:ok, module} <- Beam.module(chunks) do
      {:ok, identity(module, chunks, kept_ids(keep)), chunks}
    end
  end

  @doc "Names of the chunks that travel unchanged. `CInf` does not: the stamp takes its place."
  @spec kept_ids([String.t()]) :: [String.t()]
  def kept_ids(keep), do: (Layout.digest_chunks() ++ keep) -- ["CInf"]

  @doc "The content digest, over all that would travel. It takes longer than all the rest."
  @spec digest([Beam.chunk()], [String.t()]) :: <<_::256>>
  def digest(chunks, keep), do: Blake3.hash(written(chunks, kept_ids(keep)))

  defp identity(module, chunks, kept) do
    bare = for id <- @md5_chunks, {^id, data} <- chunks, do: significant(id, data)
    bare = :erlang.md5_update(:erlang.md5_init(), bare)
    meta = for {"Meta", data} <- chunks, do: data

    %{
      # A part of the content would keep the whole of it in memory.
      module: :binary.copy(module),
      md5: :erlang.md5_final(:erlang.md5_update(bare, meta)),
      bare_md5: :erlang.md5_final(bare),
      line_md5: line_md5(List.keyfind(chunks, "Line", 0)),
      rest_md5: :erlang.md5(written(chunks, kept -- ["Meta" | @md5_chunks]))
    }
  end

  defp written(chunks, ids),
    do: for({id, data} <- chunks, id in ids, do: [id, <<byte_size(data)::32>>, data])

  defp line_md5(nil), do: ""
  defp line_md5({_id, data}), do: :erlang.md5(data)

  # The last word of each entry is an older hash, and is taken as zero.
  defp significant("FunT", <<count::binary-size(4), entries::binary>>),
    do: [count | funs(entries)]

  defp significant(_id, data), do: data

  defp funs(<<entry::binary-size(20), _::32, rest::binary>>),
    do: [entry, <<0::32>> | funs(rest)]

  defp funs(rest), do: [rest]
end
