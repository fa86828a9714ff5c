defmodule Hotpush.Config.Toml.Writer do
  @moduledoc """
  Writes a new `hotpush.toml`. It may get a cookie: nobody else may read it, and what it is written
  to is no link that leads elsewhere.
  """

  @doc "Whether something has that name: a link counts, wherever it leads."
  @spec there?(Path.t()) :: boolean()
  def there?(path), do: match?({:ok, _}, File.lstat(path))

  @doc """
  Writes the file. One that is there is an error (`:eexist`), unless `replace?`: then the new one
  takes its place, and what a link led to stays as it was.
  """
  @spec write(Path.t(), iodata(), boolean()) :: :ok | {:error, File.posix()}
  def write(path, text, replace?)
  def write(path, text, false), do: create(path, text)

  def write(path, text, true) do
    new = path <> ".new"
    _ = File.rm(new)

    with :ok <- create(new, text),
         {:error, reason} <- File.rename(new, path) do
      _ = File.rm(new)
      {:error, reason}
    end
  end

  # Private before it is filled.
  defp create(path, text) do
    with {:ok, :ok} <- File.open(path, [:write, :exclusive], fn _ -> File.chmod(path, 0o600) end),
         :ok <- File.write(path, text) do
      :ok
    else
      {:ok, error} -> error
      error -> error
    end
  end
end
