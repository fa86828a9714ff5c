defmodule Hotpush.Push.Isolation do
  @moduledoc """
  Work in a process of its own. What it starts and links to cannot take the caller down, and leaves
  nothing in the caller's mailbox; when the caller ends, however, it ends too.
  """

  alias Hotpush.Error
  alias Hotpush.Error.Fault

  @doc "What `fun` answers, or an error about `subject` where it does not come to an answer."
  @spec run(term(), (() -> result)) :: {:ok, result} | {:error, Error.t()} when result: term()
  def run(subject, fun) do
    caller = self()
    tag = make_ref()

    {worker, monitor} =
      __MODULE__.spawn(fn ->
        # It hears of the end of those that it starts, in place of sharing it.
        Process.flag(:trap_exit, true)
        send(caller, {tag, caught(subject, fun)})
      end)

    receive do
      {^tag, result} ->
        Process.demonitor(monitor, [:flush])
        result

      {:DOWN, ^monitor, :process, ^worker, reason} ->
        {:error, Fault.error(subject, :exit, reason, [])}
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
