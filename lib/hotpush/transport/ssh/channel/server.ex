defmodule Hotpush.Transport.Ssh.Channel.Server do
  @moduledoc """
  The process of `Hotpush.Transport.Ssh.Channel`: it carries out what
  `Hotpush.Transport.Ssh.Exchange` decides, and tells the device that this host is still there.

  A session may last for hours while the device writes its log, so what is kept does not grow with
  time. Against a hostile device, frames have to be asked for and their size is limited, and if a device
  writes more than can be read, the connection is closed.
  """

  use GenServer

  alias Hotpush.Transport.Ssh.{Client, Exchange, Frame, Program}

  # The device leaves by itself when it has heard nothing for some seconds (`Hotpush.Transport.Ssh.Program`). Whoever stages
  # there gives up sooner, and is passed on each of these words.
  @ping_every 1_000

  # How long (ms) a device may take to end the visit.
  @leave 1_000

  # The status with which ssh reports its own failures.
  @failed 255

  # 400 MB on a 64-bit machine.
  @heap_words 50_000_000

  # How many bytes from ssh may wait to be read. They are counted only if this many messages wait. The
  # largest answer, if sent at once, is smaller.
  @unread 48 * 1024 * 1024
  @queued 50

  defstruct [:client, :owner] ++
              [exchange: %Exchange{}, frames: %Frame{}, sent: 0, received: 0, running?: true]

  @doc "How long (ms) a device may take to end the visit."
  @spec leave_ms() :: pos_integer()
  def leave_ms, do: @leave

  @impl true
  def init({command, log, owner}) do
    # The answers of a device are bounded, and so is the memory that reading them may take.
    Process.flag(:max_heap_size, %{size: @heap_words, kill: true, error_logger: false})

    # A port that cannot write to an ended ssh ends with :epipe before it reports the status.
    Process.flag(:trap_exit, true)
    Process.monitor(owner)
    Process.send_after(self(), :ping, @ping_every)
    state = %__MODULE__{client: Client.open(command, log), owner: owner}
    {:ok, write(state, Program.text())}
  end

  @impl true
  def handle_call({:answer, id}, from, state),
    do: {:noreply, act(state, Exchange.wait(state.exchange, id, from))}

  def handle_call(:said, _from, state), do: {:reply, ending(state, :none), state}
  def handle_call(:bytes, _from, state), do: {:reply, {state.sent, state.received}, state}
  def handle_call(:close, _from, state), do: {:stop, :normal, :ok, leave(state)}

  @impl true
  def handle_cast({:request, owner, id, kind, mfa}, state),
    do: {:noreply, act(state, Exchange.request(state.exchange, owner, id, kind, mfa))}

  def handle_cast({:message, id, message}, state),
    do: {:noreply, act(state, Exchange.message(state.exchange, id, message))}

  def handle_cast({:stop, id}, state), do: {:noreply, stop(id, state)}

  @impl true
  def handle_info(
        {port, {:data, bytes}},
        %{client: %{port: port}, exchange: %{ended: nil}} = state
      ) do
    state = %{state | received: state.received + byte_size(bytes)}

    case if(flooded?(state), do: {:error, :flood, state.frames}, else: decode(state, bytes)) do
      {:ok, frames, rest} -> {:noreply, Enum.reduce(frames, %{state | frames: rest}, &take/2)}
      {:error, problem, rest} -> {:noreply, ended(%{state | frames: rest}, problem)}
    end
  end

  def handle_info({port, {:exit_status, status}}, %{client: %{port: port}} = state),
    do: {:noreply, state |> ended(status) |> let_go()}

  def handle_info({:EXIT, port, reason}, %{client: %{port: port}, running?: true} = state)
      when reason != :normal,
      do: {:noreply, state |> ended(@failed) |> let_go()}

  # Calls of a process that has ended are given up.
  def handle_info(:ping, state) do
    Process.send_after(self(), :ping, @ping_every)
    gone = for {id, pid} <- Exchange.owners(state.exchange), not Process.alive?(pid), do: id
    {:noreply, gone |> Enum.reduce(state, &stop/2) |> write(Frame.encode(:ping))}
  end

  def handle_info({:DOWN, _, :process, owner, _}, %{owner: owner} = state),
    do: {:stop, :normal, leave(state)}

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    Client.forget(state.client)
  end

  defp decode(state, bytes), do: Frame.decode(state.frames, bytes)

  defp flooded?(%{client: %{port: port}} = state) do
    with {:message_queue_len, queued} when queued > @queued <-
           Process.info(self(), :message_queue_len),
         {:input, read} <- Port.info(port, :input) do
      read - state.received > @unread
    else
      _ -> false
    end
  end

  # Nothing more is read from a device that sends something invalid.
  defp take(_frame, %{exchange: %{ended: ending}} = state) when ending != nil, do: state

  defp take(frame, state) do
    case Exchange.take(state.exchange, frame) do
      {:ok, exchange, actions} -> act(state, {exchange, actions})
      :error -> ended(state, {:bad_frame, :unknown})
    end
  end

  defp stop(id, state), do: act(state, Exchange.stop(state.exchange, id))

  defp act(state, {exchange, actions}),
    do: Enum.reduce(actions, %{state | exchange: exchange}, &do_one/2)

  defp do_one({:write, frame}, state), do: write(state, Frame.encode(frame))

  defp do_one({:reply, from, answer}, state) do
    GenServer.reply(from, answer)
    state
  end

  defp ended(%{exchange: %{ended: nil}} = state, status),
    do: act(state, Exchange.ended(state.exchange, ending(state, status)))

  defp ended(state, _status), do: state

  defp ending(state, status) do
    %{status: status, log: Client.words(state.client), output: Frame.rest(state.frames)}
  end

  defp write(%{exchange: %{ended: nil}} = state, lines) do
    Client.write(state.client, lines)
    %{state | sent: state.sent + IO.iodata_length(lines)}
  end

  defp write(state, _lines), do: state

  # Says bye if the device can hear it. If that does not help, ssh ends with this process.
  defp leave(%{running?: false} = state), do: state

  defp leave(state) do
    port = state.client.port
    state = write(state, Frame.encode(:bye))

    receive do
      {^port, {:exit_status, _}} -> let_go(state)
      {:EXIT, ^port, _} -> let_go(state)
    after
      if(state.exchange.ended == nil and state.received > 0, do: @leave, else: 0) -> state
    end
  end

  defp let_go(state) do
    Client.ended(state.client)
    %{state | running?: false}
  end
end
