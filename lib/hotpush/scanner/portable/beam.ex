defmodule Hotpush.Scanner.Portable.Beam do
  @moduledoc """
  The container: `FOR1`, a size, `BEAM`, then chunks padded to four bytes.
  """

  @type chunk :: {id :: String.t(), data :: binary()}
  @type flaw :: {kind :: atom(), detail :: String.t()}

  # Far more than any real file has.
  @max_chunks 1000

  # The loader refuses a file without any of these.
  @required ~w(Code StrT ImpT ExpT)

  @doc "The chunks of an uncompressed beam, in the order of the file."
  @spec parse(binary()) :: {:ok, [chunk()]} | {:error, flaw()}
  def parse(bytes) do
    with {:ok, inside} <- form(bytes),
         {:ok, chunks} <- chunks(inside, []) do
      check(chunks)
    end
  end

  @doc "The first atom, which is the module's name."
  @spec module([chunk()]) :: {:ok, String.t()} | {:error, flaw()}
  def module(chunks) do
    with :none <- utf8_name(List.keyfind(chunks, "AtU8", 0)),
         :none <- latin1_name(List.keyfind(chunks, "Atom", 0)) do
      bad("no AtU8")
    end
  end

  @doc "Writes chunks as a file."
  @spec build([chunk()]) :: binary()
  def build(chunks) do
    body =
      for {id, data} <- chunks, into: "BEAM" do
        size = byte_size(data)
        <<id::binary, size::32, data::binary, 0::size(rem(4 - rem(size, 4), 4))-unit(8)>>
      end

    <<"FOR1", byte_size(body)::32, body::binary>>
  end

  defp form(<<"FOR1", size::32, "BEAM", rest::binary>>) do
    inside = size - 4

    cond do
      inside < 0 -> bad("size below 4")
      inside <= byte_size(rest) -> {:ok, binary_part(rest, 0, inside)}
      true -> {:error, {:truncated, "#{inside - byte_size(rest)} bytes are missing"}}
    end
  end

  defp form(<<start::binary-size(4), rest::binary>>) when start == "FOR1" and byte_size(rest) < 8,
    do: {:error, {:truncated, "ends within its header"}}

  defp form(start) when start in ["", "F", "FO", "FOR"],
    do: {:error, {:truncated, "ends within its header"}}

  defp form(_bytes), do: {:error, {:not_a_beam, "does not start as a beam does"}}

  defp chunks("", seen), do: {:ok, Enum.reverse(seen)}

  defp chunks(<<id::binary-size(4), size::32, rest::binary>>, seen) do
    if size <= byte_size(rest) do
      data = binary_part(rest, 0, size)
      chunks(after_padding(rest, size), [{id, data} | seen])
    else
      bad("#{inspect(id)} is longer than the file")
    end
  end

  defp chunks(_rest, _seen), do: bad("ends within the header of a chunk")

  # The padding of the last one may be missing.
  defp after_padding(bytes, size) do
    padded = size + rem(4 - rem(size, 4), 4)
    binary_part(bytes, min(padded, byte_size(bytes)), max(byte_size(bytes) - padded, 0))
  end

  defp check(chunks) do
    ids = Enum.map(chunks, &elem(&1, 0))

    cond do
      length(ids) > @max_chunks -> bad("too many chunks")
      twice = List.first(ids -- Enum.uniq(ids)) -> bad("#{inspect(twice)} twice")
      missing = List.first(@required -- ids) -> bad("no #{missing}")
      true -> {:ok, chunks}
    end
  end

  defp utf8_name(nil), do: :none

  defp utf8_name({_id, data}) do
    with {:ok, name} <- first_atom(data, "AtU8") do
      if String.valid?(name), do: {:ok, name}, else: bad("AtU8 is not UTF-8")
    end
  end

  defp latin1_name(nil), do: :none

  defp latin1_name({_id, data}) do
    with {:ok, name} <- first_atom(data, "Atom"),
         do: {:ok, :unicode.characters_to_binary(name, :latin1)}
  end

  # Since OTP 28 a negative count says that the lengths are compact-encoded.
  defp first_atom(<<count::signed-32, size, name::binary-size(size), _::binary>>, _id)
       when count > 0 and size > 0,
       do: {:ok, name}

  defp first_atom(
         <<count::signed-32, size::4, 0::1, _::3, name::binary-size(size), _::binary>>,
         _
       )
       when count < 0 and size > 0,
       do: {:ok, name}

  defp first_atom(<<count::signed-32, high::3, 1::2, _::3, low, rest::binary>>, id)
       when count < 0 do
    size = high * 256 + low

    if size in 1..byte_size(rest)//1,
      do: {:ok, binary_part(rest, 0, size)},
      else: bad("#{id} has no first atom")
  end

  defp first_atom(_data, id), do: bad("#{id} has no first atom")

  defp bad(detail), do: {:error, {:bad_chunk, detail}}
end
