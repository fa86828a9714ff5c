defmodule Hotpush.Doorman do
  @moduledoc "What all tasks do at the door: say, write the JSON document, leave with a status."

  alias Hotpush.{Error, Text}

  @doc "Prints lines: to standard output, or to standard error what went wrong."
  @spec say([{:info | :error, String.t()}]) :: :ok
  def say(lines) do
    for {level, line} <- lines, do: apply(Mix.shell(), level, [line])
    :ok
  end

  @doc "Prints the sentence of an error."
  @spec complain(Error.t()) :: :ok
  def complain(error), do: say(error: Text.printable(Error.message(error)))

  @doc "Writes the document of `--json`: nowhere for `nil`, to standard output for `-`."
  @spec write_json(Path.t() | nil, iodata()) :: :ok
  def write_json(nil, _document), do: :ok
  def write_json("-", document), do: say(info: document)

  def write_json(path, document) do
    with {:error, reason} <- File.write(path, [document, ?\n]) do
      complain(Error.new(:usage, path, {:json_not_written, reason}))
      leave(2)
    end
  end

  @doc "Tells an error of usage, as a document too where one was wanted, and leaves with 2."
  @spec fail(Error.t(), Path.t() | nil, iodata()) :: no_return()
  def fail(error, json \\ nil, document \\ "") do
    complain(error)
    write_json(json, document)
    leave(2)
  end

  @doc "Ends the task; for a status other than 0, Mix with it."
  @spec leave(non_neg_integer()) :: :ok
  def leave(0), do: :ok
  def leave(status), do: exit({:shutdown, status})
end
