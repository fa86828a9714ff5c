defmodule Hotpush.CLI.JsonFile do
  @moduledoc """
  Writes the document of `--json`: nowhere (`nil`), to standard output (`-`), or to a file.

  From the start, a file says that the run has not ended. So however the run ends, the file never
  contains the document of an earlier run.
  """

  alias Hotpush.CLI.Output
  alias Hotpush.Error

  @doc "Writes the document of a run that has not ended into the file, or returns why it cannot."
  @spec begin(Path.t() | nil, (Error.t() -> iodata())) :: :ok | {:error, Error.t()}
  def begin(json, _of_error) when json in [nil, "-"], do: :ok

  def begin(path, of_error) do
    # The reader of a pipe would take this for the final document.
    case File.stat(path) do
      {:ok, %{type: type}} when type in [:device, :other] -> :ok
      _ -> write(path, of_error.(Error.new(:usage, path, :unfinished)), nil)
    end
  end

  @doc "Writes the document. For `-`, it goes to the device `stdout`."
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
