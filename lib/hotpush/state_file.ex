defmodule Hotpush.StateFile do
  @moduledoc """
  Files that Hotpush keeps between runs. Other runs may read and write them at the same time, and losing
  one only costs time.
  """

  @doc "The content of a file that `write/2` wrote, if it is at most `most` bytes and undamaged."
  @spec read(Path.t(), pos_integer()) :: {:ok, binary()} | :error
  def read(path, most) do
    with {:ok, <<sum::binary-16, body::binary>>} <-
           File.open(path, [:read, :binary], &IO.binread(&1, most)),
         true <- :erlang.md5(body) == sum do
      {:ok, body}
    else
      _ -> :error
    end
  end

  @doc "Writes content behind its MD5, which shows damage."
  @spec write(Path.t(), binary()) :: :ok | {:error, File.posix()}
  def write(path, body), do: replace(path, [:erlang.md5(body), body])

  @doc "Writes another file beside this one, and renames it. If that fails, nothing of it stays."
  @spec replace(Path.t(), iodata()) :: :ok | {:error, File.posix()}
  def replace(path, content) do
    beside = "#{path}.#{System.pid()}.#{System.unique_integer([:positive])}"

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- File.write(beside, content),
         :ok <- File.rename(beside, path) do
      :ok
    else
      {:error, reason} ->
        _ = File.rm(beside)
        {:error, reason}
    end
  end
end
