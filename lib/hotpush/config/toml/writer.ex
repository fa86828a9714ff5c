defmodule Hotpush.Config.Toml.Writer do
  @moduledoc """
  Writes a new `hotpush.toml`. The developer may add a cookie, so nobody else can read the file, and it is
  not written through a link.
  """

  alias Hotpush.StateFile

  @mode 0o600

  @doc "Whether something has this name. A link counts, wherever it leads."
  @spec there?(Path.t()) :: boolean()
  def there?(path), do: match?({:ok, _}, File.lstat(path))

  @doc """
  Writes the file. If it exists, that is an error (`:eexist`), unless `replace?` is set: then the new file
  takes its place, and the target of a link stays unchanged.
  """
  @spec write(Path.t(), iodata(), boolean()) :: :ok | {:error, File.posix()}
  def write(path, text, replace?)
  def write(path, text, false), do: StateFile.create(path, text, @mode)
  def write(path, text, true), do: StateFile.replace(path, text, @mode)
end
