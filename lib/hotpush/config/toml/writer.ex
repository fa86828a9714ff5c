defmodule Hotpush.Config.Toml.Writer do
  @moduledoc """
  Writes a new `hotpush.toml`. The developer may add a cookie, so nobody else can read the file, and it is
  not written through a link.
  """

  @doc "Whether something has this name. A link counts, wherever it leads."
  @spec there?(Path.t()) :: boolean()
  def there?(path), do: match?({:ok, _}, File.lstat(path))

  @doc """
  Writes the file. If it exists, that is an error (`:eexist`), unless `replace?` is set: then the new file
  takes its place, and the target of a link stays unchanged.
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

  # The mode is set before anything is written.
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
