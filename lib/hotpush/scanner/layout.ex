defmodule Hotpush.Scanner.Layout do
  @moduledoc "The layout of beams and stamps, which both scanners share. Pure."

  @doc """
  Names of the chunks that are kept when a beam is stripped, and that the digest covers,
  in the order of the file. (`CInf` is replaced by the stamp and is not covered.)
  """
  @spec digest_chunks() :: [String.t()]
  def digest_chunks, do: ~w(Atom AtU8 Code StrT ImpT ExpT FunT LitT Meta Line Type Attr)

  @doc false
  # Both scanners build the same paths, whether or not the folder ends with a slash.
  @spec folder(Path.t()) :: String.t()
  def folder(dir) do
    dir = IO.chardata_to_string(dir)

    case String.trim_trailing(dir, "/") do
      "" when dir != "" -> "/"
      trimmed -> trimmed
    end
  end
end
