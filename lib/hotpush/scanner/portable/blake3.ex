defmodule Hotpush.Scanner.Portable.Blake3 do
  @moduledoc """
  BLAKE3, hash mode, 32 bytes. It follows the specification, and is meant to be obvious, not fast.
  """

  import Bitwise

  @iv [
    0x6A09E667,
    0xBB67AE85,
    0x3C6EF372,
    0xA54FF53A,
    0x510E527F,
    0x9B05688C,
    0x1F83D9AB,
    0x5BE0CD19
  ]

  @chunk_bytes 1024
  @block_bytes 64

  @chunk_start 1
  @chunk_end 2
  @parent 4
  @root 8

  @doc "The digest of the data."
  @spec hash(iodata()) :: <<_::256>>
  def hash(data) do
    {cv, block, counter, size, flags} = data |> IO.iodata_to_binary() |> node(0)
    words(compress(cv, block, counter, size, flags ||| @root))
  end

  # A node is the input of its last compression, since only then it is known whether it is the root.
  # The left half of a tree has the largest power of two of chunks that leaves a rest.
  defp node(data, counter) when byte_size(data) <= @chunk_bytes do
    chunk(data, List.to_tuple(@iv), counter, @chunk_start)
  end

  defp node(data, counter) do
    half = half(byte_size(data), @chunk_bytes)
    left = binary_part(data, 0, half)
    right = binary_part(data, half, byte_size(data) - half)
    left = chaining_value(node(left, counter))
    right = chaining_value(node(right, counter + div(half, @chunk_bytes)))
    {List.to_tuple(@iv), words(left) <> words(right), 0, @block_bytes, @parent}
  end

  defp half(size, half) when half * 2 < size, do: half(size, half * 2)
  defp half(_size, half), do: half

  defp chaining_value({cv, block, counter, size, flags}),
    do: compress(cv, block, counter, size, flags)

  defp chunk(<<block::binary-size(@block_bytes), rest::binary>>, cv, counter, flags)
       when rest != "" do
    chunk(rest, compress(cv, block, counter, @block_bytes, flags), counter, 0)
  end

  defp chunk(last, cv, counter, flags) do
    size = byte_size(last)
    padded = <<last::binary, 0::size(@block_bytes - size)-unit(8)>>
    {cv, padded, counter, size, flags ||| @chunk_end}
  end

  defp words({a, b, c, d, e, f, g, h}) do
    <<a::little-32, b::little-32, c::little-32, d::little-32, e::little-32, f::little-32,
      g::little-32, h::little-32>>
  end

  # The seven rounds are unrolled at compile time, so that the order of the block's words is known.
  @permutation [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]

  @columns [{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}]
  @diagonals [{0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}]

  state = for i <- 0..15, do: Macro.var(:"v#{i}", nil)
  message = for i <- 0..15, do: Macro.var(:"m#{i}", nil)
  v = fn i -> Enum.at(state, i) end

  mix = fn {a, b, c, d}, x, y ->
    {a, b, c, d} = {v.(a), v.(b), v.(c), v.(d)}

    quote do
      unquote(a) = unquote(a) + unquote(b) + unquote(x) &&& 0xFFFFFFFF
      t = bxor(unquote(d), unquote(a))
      unquote(d) = t >>> 16 ||| (t &&& 0xFFFF) <<< 16
      unquote(c) = unquote(c) + unquote(d) &&& 0xFFFFFFFF
      t = bxor(unquote(b), unquote(c))
      unquote(b) = t >>> 12 ||| (t &&& 0xFFF) <<< 20
      unquote(a) = unquote(a) + unquote(b) + unquote(y) &&& 0xFFFFFFFF
      t = bxor(unquote(d), unquote(a))
      unquote(d) = t >>> 8 ||| (t &&& 0xFF) <<< 24
      unquote(c) = unquote(c) + unquote(d) &&& 0xFFFFFFFF
      t = bxor(unquote(b), unquote(c))
      unquote(b) = t >>> 7 ||| (t &&& 0x7F) <<< 25
    end
  end

  permute = fn order -> Enum.map(@permutation, &Enum.at(order, &1)) end

  rounds =
    for order <- message |> Stream.iterate(permute) |> Enum.take(7),
        {{lanes, x}, y} <-
          (@columns ++ @diagonals)
          |> Enum.zip(Enum.take_every(order, 2))
          |> Enum.zip(order |> tl() |> Enum.take_every(2)),
        {:__block__, _, lines} = mix.(lanes, x, y),
        line <- lines,
        do: line

  {chaining, _rest} = Enum.split(state, 8)
  block = for word <- message, do: quote(do: unquote(word) :: little - 32)
  result = for i <- 0..7, do: quote(do: bxor(unquote(v.(i)), unquote(v.(i + 8))))

  defp compress({unquote_splicing(chaining)}, <<unquote_splicing(block)>>, counter, size, flags) do
    {unquote(v.(8)), unquote(v.(9)), unquote(v.(10)), unquote(v.(11))} =
      unquote(@iv |> Enum.take(4) |> List.to_tuple() |> Macro.escape())

    unquote(v.(12)) = counter &&& 0xFFFFFFFF
    unquote(v.(13)) = counter >>> 32
    unquote(v.(14)) = size
    unquote(v.(15)) = flags
    unquote_splicing(rounds)
    {unquote_splicing(result)}
  end
end
