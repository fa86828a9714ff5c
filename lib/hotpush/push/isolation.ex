defmodule Hotpush.Push.Isolation do
  @moduledoc """
  Work in a process of its own. What it starts and links to cannot take the caller down, and leaves
  nothing in the caller's mailbox; when the caller ends, however, it ends too.
  """

  alias Hotpush.Error
  alias Hotpush.Error.Fault

  defstruct [:pid, :monitor, :tag, :subject]

  @typedoc "Work under way."
  @opaque t :: %__MODULE__{}

  @doc "What `fun` answers, or an error about `subject` where it does not come to an answer."
  @spec run(term(), (() -> result)) :: {:ok, result} | {:error, Error.t()} when result: term()
  def run(subject, fun), do: subject |> start(fun) |> await()

  @doc "Starts the work. The caller takes what it answers with `await/1`, or ends it with `stop/1`."
  @spec start(term(), (() -> term())) :: t()
  def start(subject, fun) do
    caller = self()
    tag = make_ref()

    {pid, monitor} =
      __MODULE__.spawn(fn ->
        # It hears of the end of those that it starts, in place of sharing it.
        Process.flag(:trap_exit, true)
        send(caller, {tag, caught(subject, fun)})
      end)

    %__MODULE__{pid: pid, monitor: monitor, tag: tag, subject: subject}
  end

  @doc "Waits for what the work answers."
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

  @doc "Ends the work, if it has not ended, and waits until it has."
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

  @doc "As `run/2`, in the caller's own process."
  @spec caught(term(), (() -> result)) :: {:ok, result} | {:error, Error.t()} when result: term()
  def caught(subject, fun) do
    {:ok, fun.()}
  catch
    kind, reason -> {:error, Fault.error(subject, kind, reason, __STACKTRACE__)}
  end

  @doc "Starts a process that ends with the caller, with a monitor of it."
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

  @doc "Ends a process that is linked to the caller at once, and takes no notice of it."
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

  # Ends with the worker as well.
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
