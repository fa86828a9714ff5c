defmodule Hotpush.Transport.Ssh.Channel do
  @moduledoc """
  One running `ssh`: sends frames, hands out answers, says that it is still there, and ends with
  the process that started it.
  """

  use GenServer

  alias Hotpush.Text
  alias Hotpush.Transport.Ssh
  alias Hotpush.Transport.Ssh.{Calls, Client, Frame}

  # The device leaves by itself when it has heard nothing for `@silence` (see the link's program).
  # Whoever stages there gives up sooner, and is passed on each of these words.
  @silence 15_000
  @ping_every 1_000

  # How long a device may take to take its leave.
  @leave 1_000

  # As ssh says that it failed itself.
  @failed 255

  # 400 MB on a 64-bit machine.
  @heap_words 50_000_000

  defstruct [:client, :calls, :ended, :owner] ++
              [frames: %Frame{}, waiting: %{}, sent: 0, received: 0, running?: true]

  @typedoc "How an ssh ended: its exit status (or what was wrong with its output), and its words."
  @type ending :: %{
          status: non_neg_integer() | Frame.problem(),
          log: String.t(),
          output: String.t()
        }

  @doc "Starts ssh. `log` is where it writes its own words, for as long as it runs."
  @spec start(Ssh.Command.t(), Path.t()) :: {:ok, pid()}
  def start(command, log), do: GenServer.start(__MODULE__, {command, log, self()})

  @doc "How long (ms) the device waits for a word of this host before it leaves."
  @spec silence() :: pos_integer()
  def silence, do: @silence

  @doc "Waits for the device's end to answer; it answers the address there of whoever serves."
  @spec ready(pid(), timeout()) ::
          {:ok, charlist()} | {:error, {:closed, ending()} | {:timeout, timeout()}}
  def ready(channel, timeout), do: ask(channel, :ready, timeout)

  @doc "What ssh and the device said so far that was no frame."
  @spec said(pid()) :: ending()
  def said(channel) do
    GenServer.call(channel, :said, 1_000)
  catch
    # Busy with what the device goes on to say.
    :exit, _ -> %{status: :none, log: "", output: ""}
  end

  @doc "Sends a call or a start under a number that is not in use yet."
  @spec request(pid(), pos_integer(), :call | :start, {module(), atom(), list()}) :: :ok
  def request(channel, id, kind, mfa), do: GenServer.cast(channel, {:send, {kind, id, mfa}})

  @doc "Sends a message to what was started under a number."
  @spec message(pid(), pos_integer(), tuple()) :: :ok
  def message(channel, id, message), do: GenServer.cast(channel, {:send, {:send, id, message}})

  @doc "The next answer under a number."
  @spec answer(pid(), pos_integer(), timeout()) :: {:ok, term()} | {:error, term()}
  def answer(channel, id, timeout) do
    case ask(channel, {:answer, id}, timeout) do
      {:error, {:closed, _}} -> {:error, :connection_lost}
      other -> other
    end
  end

  # A late reply goes nowhere: calls have used aliases since OTP 24.
  defp ask(channel, request, timeout) do
    GenServer.call(channel, request, timeout)
  catch
    :exit, {:timeout, _} -> {:error, {:timeout, timeout}}
    :exit, _ -> {:error, :connection_lost}
  end

  @doc "Bytes written to ssh and read from it; what its encryption adds is not seen here."
  @spec bytes(pid()) :: {non_neg_integer(), non_neg_integer()}
  def bytes(channel) do
    GenServer.call(channel, :bytes, 1_000)
  catch
    :exit, _ -> {0, 0}
  end

  @doc "Takes leave of the device, and sees to it that ssh is gone."
  @spec close(pid()) :: :ok
  def close(channel) do
    GenServer.call(channel, :close, 2 * @leave)
    :ok
  catch
    # It may be stuck in writing to an ssh that takes nothing.
    :exit, _ ->
      Process.exit(channel, :kill)
      :ok
  end

  @impl true
  def init({command, log, owner}) do
    # What a device answers is bounded; what it would take to read it is, too.
    Process.flag(:max_heap_size, %{size: @heap_words, kill: true, error_logger: false})

    # A port that cannot write to an ssh that has ended goes with :epipe, before its status is told.
    Process.flag(:trap_exit, true)
    Process.monitor(owner)
    Process.send_after(self(), :ping, @ping_every)
    state = %__MODULE__{client: Client.open(command, log), calls: Calls.new(), owner: owner}
    {:ok, write(state, Ssh.program())}
  end

  @impl true
  def handle_call(:ready, from, state), do: wait(:ready, from, state)
  def handle_call({:answer, id}, from, state), do: wait(id, from, state)
  def handle_call(:said, _from, state), do: {:reply, ending(state, :none), state}

  def handle_call(:bytes, _from, state), do: {:reply, {state.sent, state.received}, state}

  def handle_call(:close, _from, state) do
    {:stop, :normal, :ok, leave(state)}
  end

  @impl true
  def handle_cast({:send, {:send, id, _} = frame}, state) do
    case Calls.message(state.calls, id, frame) do
      {:now, calls} -> {:noreply, write(%{state | calls: calls}, Frame.encode(frame))}
      {:later, calls} -> {:noreply, %{state | calls: calls}}
    end
  end

  def handle_cast({:send, {kind, id, _} = frame}, state) do
    state = %{state | calls: Calls.open(state.calls, id, kind)}
    {:noreply, write(state, Frame.encode(frame))}
  end

  @impl true
  def handle_info({port, {:data, bytes}}, %{client: %{port: port}, ended: nil} = state) do
    state = %{state | received: state.received + byte_size(bytes)}

    case Frame.decode(state.frames, bytes) do
      {:ok, frames, rest} ->
        {:noreply, Enum.reduce(frames, %{state | frames: rest}, &take/2)}

      {:error, problem, rest} ->
        {:noreply, ended(%{state | frames: rest}, problem)}
    end
  end

  def handle_info({port, {:exit_status, status}}, %{client: %{port: port}, ended: nil} = state),
    do: {:noreply, state |> ended(status) |> let_go()}

  def handle_info({port, {:exit_status, _}}, %{client: %{port: port}} = state),
    do: {:noreply, let_go(state)}

  def handle_info({:EXIT, port, reason}, %{client: %{port: port}, running?: true} = state)
      when reason != :normal,
      do: {:noreply, state |> ended(@failed) |> let_go()}

  def handle_info(:ping, state) do
    Process.send_after(self(), :ping, @ping_every)
    {:noreply, write(state, Frame.encode(:ping))}
  end

  def handle_info({:DOWN, _, :process, owner, _}, %{owner: owner} = state),
    do: {:stop, :normal, leave(state)}

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    Client.forget(state.client)
  end

  # A device that says something else than it should is not listened to any longer.
  defp take(_frame, %{ended: ending} = state) when ending != nil, do: state

  defp take({:ready, address}, state), do: answered(:ready, {:ok, address}, state)
  defp take({id, :answer, value}, state), do: answered(id, {:ok, value}, state)

  defp take({id, :raised, text}, state) when is_binary(text),
    do: answered(id, {:error, {:raised, excerpt(text)}}, state)

  defp take(_other, state), do: ended(state, {:bad_frame, :unknown})

  defp excerpt(text), do: text |> binary_part(0, min(byte_size(text), 500)) |> Text.printable()

  # The address is a pid as text, `<0.1.0>`, and only ever goes back to where it came from.
  defp answered(:ready, {:ok, address}, state) when not is_list(address) or length(address) > 50,
    do: ended(state, {:bad_frame, :unknown})

  defp answered(id, answer, state) do
    case Calls.answered(state.calls, id, answer) do
      {:ok, calls, messages} ->
        messages
        |> Enum.reduce(%{state | calls: calls}, &write(&2, Frame.encode(&1)))
        |> hand_out(id)

      :error ->
        ended(state, {:bad_frame, :unknown})
    end
  end

  defp hand_out(%{waiting: waiting} = state, id) when is_map_key(waiting, id) do
    {from, waiting} = Map.pop!(waiting, id)
    {:ok, answer, calls} = Calls.take(state.calls, id)
    GenServer.reply(from, answer)
    %{state | waiting: waiting, calls: calls}
  end

  defp hand_out(state, _id), do: state

  defp wait(id, from, state) do
    case {Calls.take(state.calls, id), state.ended} do
      {{:ok, answer, calls}, _} ->
        {:reply, answer, %{state | calls: calls}}

      {:none, nil} ->
        {:noreply, %{state | waiting: Map.put(state.waiting, id, from)}}

      {:none, ending} ->
        {:reply, {:error, {:closed, ending}}, state}
    end
  end

  defp ended(%{ended: nil} = state, status) do
    ending = ending(state, status)
    for {_, from} <- state.waiting, do: GenServer.reply(from, {:error, {:closed, ending}})
    %{state | ended: ending, waiting: %{}}
  end

  defp ended(state, _status), do: state

  defp ending(state, status) do
    %{status: status, log: Client.words(state.client), output: Frame.rest(state.frames)}
  end

  defp write(%{ended: nil} = state, lines) do
    Client.write(state.client, lines)
    %{state | sent: state.sent + IO.iodata_length(lines)}
  end

  defp write(state, _lines), do: state

  # With a word, if there is somebody to hear it; if that does not help, it ends with this process.
  defp leave(%{running?: false} = state), do: state

  defp leave(state) do
    port = state.client.port
    state = write(state, Frame.encode(:bye))

    receive do
      {^port, {:exit_status, _}} -> let_go(state)
      {:EXIT, ^port, _} -> let_go(state)
    after
      if(state.ended == nil and state.received > 0, do: @leave, else: 0) -> state
    end
  end

  defp let_go(state) do
    Client.ended(state.client)
    %{state | running?: false}
  end
end
