defmodule Hotpush.Transport.Ssh.Channel do
  @moduledoc """
  One running `ssh`, for the processes that talk to the device through it. It ends with the process
  that started it; calls and conversations end with the processes that began them.
  """

  alias Hotpush.Transport.Ssh.{Command, Frame}
  alias Hotpush.Transport.Ssh.Channel.Server

  @typedoc "How an ssh ended: its exit status (or what was wrong with its output), and its words."
  @type ending :: %{
          status: non_neg_integer() | Frame.problem() | :flood | :none,
          log: String.t(),
          output: String.t()
        }

  @doc "Starts ssh, which writes its own messages to the file `log` while it runs."
  @spec start(Command.t(), Path.t()) :: {:ok, pid()}
  def start(command, log), do: GenServer.start(Server, {command, log, self()})

  @doc "Waits for the device's end to answer. Returns the address of the process that serves there."
  @spec ready(pid(), timeout()) ::
          {:ok, charlist()} | {:error, {:closed, ending()} | {:timeout, timeout()}}
  def ready(channel, timeout), do: ask(channel, {:answer, :ready}, timeout)

  @doc "What ssh and the device have written so far besides frames."
  @spec said(pid()) :: ending()
  def said(channel) do
    GenServer.call(channel, :said, 1_000)
  catch
    # It is busy with what the device writes.
    :exit, _ -> %{status: :none, log: "", output: ""}
  end

  @doc "Sends a call or a start under a number that is not in use."
  @spec request(pid(), pos_integer(), :call | :start, {module(), atom(), list()}) :: :ok
  def request(channel, id, kind, mfa),
    do: GenServer.cast(channel, {:request, self(), id, kind, mfa})

  @doc "Sends a message to the program that was started under a number."
  @spec message(pid(), pos_integer(), tuple()) :: :ok
  def message(channel, id, message), do: GenServer.cast(channel, {:message, id, message})

  @doc "The next answer under a number."
  @spec answer(pid(), pos_integer(), timeout()) :: {:ok, term()} | {:error, term()}
  def answer(channel, id, timeout) do
    case ask(channel, {:answer, id}, timeout) do
      {:error, {:closed, _}} -> {:error, :connection_lost}
      other -> other
    end
  end

  @doc "Gives up the call of a number. Later answers of the device are dropped."
  @spec stop(pid(), pos_integer()) :: :ok
  def stop(channel, id), do: GenServer.cast(channel, {:stop, id})

  # A late reply is dropped: calls have used aliases since OTP 24.
  defp ask(channel, request, timeout) do
    GenServer.call(channel, request, timeout)
  catch
    :exit, {:timeout, _} -> {:error, {:timeout, timeout}}
    :exit, _ -> {:error, :connection_lost}
  end

  @doc "Bytes written to ssh and read from it, without what its encryption adds."
  @spec bytes(pid()) :: {non_neg_integer(), non_neg_integer()}
  def bytes(channel) do
    GenServer.call(channel, :bytes, 1_000)
  catch
    :exit, _ -> {0, 0}
  end

  @doc "Says bye to the device, and makes sure that ssh ends."
  @spec close(pid()) :: :ok
  def close(channel) do
    GenServer.call(channel, :close, 2 * Server.leave_ms())
    :ok
  catch
    # It may be blocked by an ssh that does not read.
    :exit, _ ->
      Process.exit(channel, :kill)
      :ok
  end
end
