defmodule Hotpush.CLI.Output do
  @moduledoc """
  The two outputs of a command. With `--json -`, standard output has only the document. Lines that go
  to both outputs appear in the order in which they were written.
  """

  @doc """
  Runs `fun` with standard output redirected to standard error, for everything that writes to it: the
  compiler, the project's own macros, the logger.
  """
  @spec diverted((() -> result)) :: result when result: term()
  def diverted(fun) do
    {leader, user} = {Process.group_leader(), Process.whereis(:user)}
    {:ok, relay} = Task.start_link(fn -> relay(:standard_error) end)
    Process.group_leader(self(), relay)
    # In every version of Elixir, the logger writes to the process of this name.
    name_user(relay)

    try do
      fun.()
    after
      name_user(user)
      Process.group_leader(self(), leader)
      Process.unlink(relay)
      Process.exit(relay, :kill)
    end
  end

  # :standard_error replies to the original sender. (It cannot have a second name itself.)
  defp relay(to) do
    receive do
      request -> send(to, request)
    end

    relay(to)
  end

  defp name_user(pid) do
    Process.unregister(:user)
    Process.register(pid, :user)
  end

  @doc """
  Waits until an output has been written: `:user`, `:standard_error`, or the process of one.

  Such a process replies as soon as it has handed the text to its port, so without this, two outputs
  that go to one pipe would mix. (Since OTP 26, `:user` has no port, and replies when it has written.)
  """
  @spec flush(:user | :standard_error | pid()) :: :ok
  def flush(output) do
    owner = if is_pid(output), do: output, else: Process.whereis(output)

    for port <- Port.list(), Port.info(port, :connected) == {:connected, owner}, do: drain(port)
    :ok
  end

  defp drain(port) do
    case Port.info(port, :queue_size) do
      {:queue_size, waiting} when waiting > 0 ->
        Process.sleep(1)
        drain(port)

      _written_or_closed ->
        :ok
    end
  end
end
