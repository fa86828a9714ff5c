defmodule Hotpush.CLI.Output do
  @moduledoc """
  The two outputs of a command. Standard output belongs to the document of `--json -` alone, and
  lines that go to both come out in the order in which they were written.
  """

  @doc """
  Runs `fun` while standard output leads to standard error, for whoever writes to it: the compiler,
  the project's own macros, the logger.
  """
  @spec diverted((() -> result)) :: result when result: term()
  def diverted(fun) do
    {leader, user} = {Process.group_leader(), Process.whereis(:user)}
    {:ok, relay} = Task.start_link(fn -> relay(:standard_error) end)
    Process.group_leader(self(), relay)
    # Whatever Elixir, the logger writes to whoever has this name.
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

  # :standard_error answers whoever asked. (It cannot have a second name itself.)
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

  It answers as soon as it has handed the text to its port, so that two outputs that lead to one
  pipe would mix otherwise. (Since OTP 26 `:user` has no port, and answers when it has written.)
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
