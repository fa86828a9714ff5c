defmodule Hotpush.CLI.JsonFile do
  @moduledoc """
  Where `--json` wants its document: nowhere (`nil`), on standard output (`-`), or in a file.

  A file says from the start that the run has not ended, so that none of an earlier run stays,
  however this one ends.
  """

  alias Hotpush.CLI.Output
  alias Hotpush.Error

  @doc "Puts the document of a run that has not ended into the file, or says why that cannot be."
  @spec begin(Path.t() | nil, (Error.t() -> iodata())) :: :ok | {:error, Error.t()}
  def begin(json, _of_error) when json in [nil, "-"], do: :ok

  def begin(path, of_error) do
    # What is written into a pipe, its reader takes for the document.
    case File.stat(path) do
      {:ok, %{type: type}} when type in [:device, :other] -> :ok
      _ -> write(path, of_error.(Error.new(:usage, path, :unfinished)), nil)
    end
  end

  @doc "Writes the document, to the device `stdout` for `-`."
  @spec write(Path.t() | nil, iodata(), IO.device() | nil) :: :ok | {:error, Error.t()}
  def write(nil, _document, _stdout), do: :ok

  def write("-", document, stdout) do
    Output.flush(:standard_error)
    IO.puts(stdout, document)
    Output.flush(stdout)
  end

  def write(path, document, _stdout) do
    with {:error, reason} <- File.write(path, [document, ?\n]),
         do: {:error, Error.new(:usage, path, {:json_not_written, reason})}
  end
end
