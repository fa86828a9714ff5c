defmodule Hotpush.Transport.Ssh.Channel do
  @moduledoc """
  One running `ssh`: sends frames, hands out answers, says that it is still there, and ends with
  the process that started it.
  """

  use GenServer

  alias Hotpush.Transport.Ssh
  alias Hotpush.Transport.Ssh.{Client, Frame}

  # The device leaves by itself when it has heard nothing for `@silence` (see the link's program).
  @silence 15_000
  @ping_every 4_000

  # How long a device may take to take its leave.
  @leave 1_000

  # Messages that may be under way to one program there without an answer: the daemon's memory for
  # what nobody has read yet is some thirty times its size.
  @window 8

  defstruct [:client, :ended, :owner] ++
              [frames: %Frame{}, waiting: %{}, answers: %{}, sent: 0, received: 0] ++
              [flying: %{}, held: %{}, running?: true]

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
  def said(channel), do: GenServer.call(channel, :said)

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
    Process.monitor(owner)
    Process.send_after(self(), :ping, @ping_every)
    {:ok, write(%__MODULE__{client: Client.open(command, log), owner: owner}, Ssh.program())}
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
    if Map.get(state.flying, id, 0) < @window,
      do: {:noreply, fly(state, id, frame)},
      else: {:noreply, %{state | held: Map.update(state.held, id, [frame], &(&1 ++ [frame]))}}
  end

  def handle_cast({:send, frame}, state), do: {:noreply, write(state, Frame.encode(frame))}

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
    do: {:noreply, ended(let_go(state), status)}

  def handle_info({port, {:exit_status, _}}, %{client: %{port: port}} = state),
    do: {:noreply, let_go(state)}

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
  defp take({:ready, address}, state) when is_list(address),
    do: answered(:ready, {:ok, address}, state)

  defp take({id, :answer, value}, state) when is_integer(id),
    do: answered(id, {:ok, value}, state)

  defp take({id, :raised, text}, state) when is_integer(id) and is_binary(text),
    do: answered(id, {:error, {:raised, text}}, state)

  defp take(_other, state), do: ended(state, {:bad_frame, :unknown})

  defp answered(key, answer, state) do
    state = landed(state, key)

    case Map.pop(state.waiting, key) do
      {nil, _} ->
        %{state | answers: Map.update(state.answers, key, [answer], &(&1 ++ [answer]))}

      {from, waiting} ->
        GenServer.reply(from, answer)
        %{state | waiting: waiting}
    end
  end

  defp wait(key, from, state) do
    case {state.answers[key], state.ended} do
      {[answer | rest], _} ->
        {:reply, answer, %{state | answers: Map.put(state.answers, key, rest)}}

      {_, nil} ->
        {:noreply, %{state | waiting: Map.put(state.waiting, key, from)}}

      {_, ending} ->
        {:reply, {:error, {:closed, ending}}, state}
    end
  end

  defp ended(state, status) do
    ending = ending(state, status)
    for {_, from} <- state.waiting, do: GenServer.reply(from, {:error, {:closed, ending}})
    %{state | ended: ending, waiting: %{}}
  end

  defp ending(state, status) do
    output = IO.iodata_to_binary([state.frames.noise | state.frames.buffer])
    %{status: status, log: Client.words(state.client), output: output}
  end

  defp fly(state, id, frame) do
    state = %{state | flying: Map.update(state.flying, id, 1, &(&1 + 1))}
    write(state, Frame.encode(frame))
  end

  defp landed(%{flying: flying} = state, id) when is_map_key(flying, id) do
    state = %{state | flying: Map.update!(flying, id, &(&1 - 1))}

    case state.held[id] do
      [frame | rest] -> fly(%{state | held: Map.put(state.held, id, rest)}, id, frame)
      _ -> state
    end
  end

  defp landed(state, _id), do: state

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
    after
      if(state.ended == nil and state.received > 0, do: @leave, else: 0) -> state
    end
  end

  defp let_go(state), do: %{state | client: Client.ended(state.client), running?: false}
end
