defmodule Hotpush.Push.Isolation do
  @moduledoc """
  Runs work in a process of its own. Processes that it starts and links to cannot crash the caller, and
  leave nothing in its mailbox. The work ends when the caller ends.
  """

  alias Hotpush.Error
  alias Hotpush.Error.Fault

  defstruct [:pid, :monitor, :tag, :subject]

  @typedoc "Running work."
  @opaque t :: %__MODULE__{}

  @doc "Returns the result of `fun`, or an error about `subject` if it crashes."
  @spec run(term(), (() -> result)) :: {:ok, result} | {:error, Error.t()} when result: term()
  def run(subject, fun), do: subject |> start(fun) |> await()

  @doc "Starts the work. The caller takes its result with `await/1`, or ends it with `stop/1`."
  @spec start(term(), (() -> term())) :: t()
  def start(subject, fun) do
    caller = self()
    tag = make_ref()

    {pid, monitor} =
      __MODULE__.spawn(fn ->
        # If a process that it started crashes, it gets a message instead of crashing too.
        Process.flag(:trap_exit, true)
        send(caller, {tag, caught(subject, fun)})
      end)

    %__MODULE__{pid: pid, monitor: monitor, tag: tag, subject: subject}
  end

  @doc "Waits for the result of the work."
  @spec await(t()) :: {:ok, term()} | {:error, Error.t()}
  def await(%__MODULE__{pid: pid, monitor: monitor, tag: tag, subject: subject}) do
    receive do
      {^tag, result} ->
        Process.demonitor(monitor, [:flush])
        result

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, Fault.error(subject, :exit, reason, [])}
    end
  end

  @doc "Ends the work if it is still running, and waits until it has ended."
  @spec stop(t()) :: :ok
  def stop(%__MODULE__{pid: pid, monitor: monitor, tag: tag}) do
    Process.demonitor(monitor, [:flush])
    kill(pid)

    receive do
      {^tag, _result} -> :ok
    after
      0 -> :ok
    end
  end

  @doc "The same as `run/2`, in the caller's own process."
  @spec caught(term(), (() -> result)) :: {:ok, result} | {:error, Error.t()} when result: term()
  def caught(subject, fun) do
    {:ok, fun.()}
  catch
    kind, reason -> {:error, Fault.error(subject, kind, reason, __STACKTRACE__)}
  end

  @doc "Starts a process that ends with the caller, and monitors it."
  @spec spawn((() -> any())) :: {pid(), reference()}
  def spawn(fun) do
    caller = self()

    spawn_monitor(fn ->
      watch(caller)
      fun.()
    end)
  end

  @doc "Ends a process, and waits until it has ended."
  @spec kill(pid()) :: :ok
  def kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  @doc "Ends a process that is linked to the caller at once, without affecting the caller."
  @spec quit(pid()) :: :ok
  def quit(pid) do
    Process.unlink(pid)
    Process.exit(pid, :kill)

    receive do
      {:EXIT, ^pid, _} -> :ok
    after
      0 -> :ok
    end
  end

  # It also ends with the worker.
  defp watch(caller) do
    worker = self()

    Kernel.spawn(fn ->
      of_caller = Process.monitor(caller)
      of_worker = Process.monitor(worker)

      receive do
        {:DOWN, ^of_caller, _, _, _} -> Process.exit(worker, :kill)
        {:DOWN, ^of_worker, _, _, _} -> :ok
      end
    end)
  end
end
