defmodule Hotpush.Scanner.Portable.Gzip do
  @moduledoc """
  Decompression, with a limit on the decompressed size.
  """

  # The limit of a beam's size, compressed or not.
  @max_bytes 64 * 1024 * 1024

  # This tells zlib to use the gzip format.
  @gzip_window 31

  @doc "The largest file, in bytes."
  @spec max_bytes() :: pos_integer()
  def max_bytes, do: @max_bytes

  @doc "The bytes that start with `FOR1`: the given ones, or their decompressed content."
  @spec inflate(binary()) :: {:ok, binary()} | {:error, {atom(), String.t()}}
  def inflate(""), do: {:error, {:empty, "the file has no bytes"}}
  def inflate(bytes) when byte_size(bytes) > @max_bytes, do: too_large()
  def inflate(<<0x1F, 0x8B, _::binary>> = bytes), do: gunzip(bytes)
  def inflate(bytes), do: {:ok, bytes}

  defp gunzip(bytes) do
    z = :zlib.open()

    try do
      :ok = :zlib.inflateInit(z, @gzip_window)
      collect(z, :zlib.safeInflate(z, bytes), [], 0)
    rescue
      error in ErlangError -> {:error, {:bad_gzip, inspect(error.original)}}
    after
      :zlib.close(z)
    end
  end

  defp collect(z, {state, output}, collected, size) do
    size = size + IO.iodata_length(output)
    collected = [collected | output]

    cond do
      size > @max_bytes ->
        too_large()

      state == :continue ->
        collect(z, :zlib.safeInflate(z, []), collected, size)

      true ->
        # Raises if the stream has no end.
        :ok = :zlib.inflateEnd(z)
        {:ok, IO.iodata_to_binary(collected)}
    end
  end

  defp too_large, do: {:error, {:too_large, "more than #{@max_bytes} bytes"}}
end
