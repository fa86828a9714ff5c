defmodule Hotpush.StateFile do
  @moduledoc """
  Reads and writes the files that Hotpush keeps between runs. Other runs may read and write them at the
  same time.
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

  @doc """
  Writes another file beside this one, and renames it: a reader sees the old content or the new one. If
  that fails, nothing of it stays. With a `mode`, the file has it before anything is written to it.
  """
  @spec replace(Path.t(), iodata(), non_neg_integer() | nil) :: :ok | {:error, File.posix()}
  def replace(path, content, mode \\ nil) do
    beside = "#{path}.#{System.pid()}.#{System.unique_integer([:positive])}"
    # It may be there from a run that was killed and had the same process id.
    _ = File.rm(beside)

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- create(beside, content, mode),
         :ok <- File.rename(beside, path) do
      :ok
    else
      {:error, reason} ->
        _ = File.rm(beside)
        {:error, reason}
    end
  end

  @doc "Writes a new file. If something has this name, also a link, that is an error (`:eexist`)."
  @spec create(Path.t(), iodata(), non_neg_integer() | nil) :: :ok | {:error, File.posix()}
  def create(path, content, mode \\ nil) do
    written =
      File.open(path, [:write, :exclusive, :raw], fn file ->
        with :ok <- if(mode, do: File.chmod(path, mode), else: :ok),
             do: :file.write(file, content)
      end)

    with {:ok, result} <- written, do: result
  end
end
