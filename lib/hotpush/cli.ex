defmodule Hotpush.CLI do
  @moduledoc "What all tasks share: printing, the JSON document, and the exit status."

  alias Hotpush.CLI.{JsonFile, Output}
  alias Hotpush.{Config, Error, Text}
  alias Hotpush.CLI.Terminal
  alias Hotpush.Error.Fault
  alias Hotpush.Project.Workspace

  @doc """
  Runs a command, writes its JSON document to `json` if it is not `nil`, and exits with its status.

  `fun` returns the status and the document; `of_error` makes the document of an error. There is a
  document in every case: from the start, a file contains one that says that the run has not ended.
  If the file cannot be written, `fun` does not run. With `-`, standard output is the document and
  nothing else.
  """
  @spec command(Path.t() | nil, (Error.t() -> iodata()), (() -> {non_neg_integer(), iodata()})) ::
          :ok
  def command(json, of_error, fun) do
    stdout = Process.group_leader()
    trapped = if json == "-", do: System.trap_signal(:sigterm, fn -> cut(of_error, stdout) end)

    try do
      command(json, of_error, stdout, fun)
    after
      with {:ok, id} <- trapped, do: System.untrap_signal(:sigterm, id)
    end
  end

  defp command(json, of_error, stdout, fun) do
    with :ok <- JsonFile.begin(json, of_error),
         {status, document} = apart(json, fn -> documented(json, of_error, stdout, fun) end),
         :ok <- JsonFile.write(json, document, stdout) do
      leave(status)
    else
      {:error, error} ->
        Workspace.consolidate()
        fail(error)
    end
  end

  # The last trap runs first; `attended/1` ends the VM after this one. This does not wait for a reader
  # that does not read.
  defp cut(of_error, stdout) do
    document = of_error.(Error.new(:usage, "-", :unfinished))
    task = Task.async(fn -> JsonFile.write("-", document, stdout) end)
    Task.yield(task, 500)
    :ok
  end

  defp apart("-", fun), do: Output.diverted(fun)
  defp apart(_json, fun), do: fun.()

  # An exception that nobody caught ends Mix as usual, but there is a document.
  defp documented(json, of_error, stdout, fun) do
    fun.()
  catch
    kind, reason ->
      error = Fault.error("mix", kind, reason, __STACKTRACE__)
      JsonFile.write(json, of_error.(error), stdout)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  # The status of a program that was ended by the signal: 128 plus its number.
  @terminated 143

  @doc """
  Runs a task with what it needs (`Hotpush.Application`). SIGTERM ends it at once, as it ends other
  programs. (The VM's own handler would shut down in order, with status 0, which means success.)
  """
  @spec attended((() -> result)) :: result when result: term()
  def attended(task) do
    Hotpush.Application.ensure_started()
    # Do not wait for an ssh that does not read what is to be written to it.
    halt = fn -> :erlang.halt(@terminated, flush: false) end
    trapped = System.trap_signal(:sigterm, halt)

    try do
      task.()
    after
      with {:ok, id} <- trapped, do: System.untrap_signal(:sigterm, id)
    end
  end

  @doc """
  Starts this VM's command line again, in the same process of the operating system.
  """
  @spec restart() :: no_return()
  def restart do
    :init.restart()
    Process.sleep(:infinity)
  end

  @doc "Prints lines in order, errors to standard error, all others to standard output."
  @spec say([{:good | :info | :error, String.t()}]) :: :ok
  def say(lines) do
    for {level, line} <- lines do
      # Both may go to the same pipe.
      Output.flush(if(level == :error, do: :user, else: :standard_error))
      say(level, line, Terminal.color?())
    end

    :ok
  end

  defp say(:good, line, true), do: Mix.shell().info([:green, line])

  # Mix always writes an error in red on a terminal.
  defp say(:error, line, color?) do
    if color? or not IO.ANSI.enabled?(),
      do: Mix.shell().error(line),
      else: IO.puts(:stderr, line)
  end

  defp say(_level, line, _color?), do: Mix.shell().info(line)

  @doc "Prints the sentence of an error."
  @spec complain(Error.t()) :: :ok
  def complain(error), do: say(error: Text.printable(Error.message(error)))

  @doc "Says on standard error which file of the configuration was not read."
  @spec left_out(Config.t()) :: :ok
  def left_out(%Config{unread: nil}), do: :ok
  def left_out(%Config{verbosity: :quiet}), do: :ok
  def left_out(%Config{unread: error}), do: complain(%{error | reason: :settings_left_out})

  @doc "Prints an error, and exits with status 2."
  @spec fail(Error.t()) :: :ok
  def fail(error) do
    complain(error)
    leave(2)
  end

  @doc "Ends the task, and, with a status other than 0, Mix."
  @spec leave(non_neg_integer()) :: :ok
  def leave(0), do: :ok
  def leave(status), do: exit({:shutdown, status})
end
