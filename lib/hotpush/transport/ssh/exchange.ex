defmodule Hotpush.Transport.Ssh.Exchange do
  @moduledoc """
  The conversation between this host and the device on one ssh: who waits for which answer, and what
  to do for each event. Pure.
  """

  alias Hotpush.Text
  alias Hotpush.Transport.Ssh.Calls

  defstruct [:ended, calls: Calls.new(), waiting: %{}]

  @typedoc "The waiting processes, by what they wait for. `:ended` says how ssh ended, if it has."
  @type t :: %__MODULE__{
          ended: term(),
          calls: Calls.t(),
          waiting: %{Calls.id() => GenServer.from()}
        }

  @typedoc "A frame to send, or an answer for a waiting process."
  @type action :: {:write, term()} | {:reply, GenServer.from(), term()}

  @doc "Opens a call or a start for `owner`, under a number that is not in use."
  @spec request(t(), pid(), Calls.id(), Calls.kind(), mfa :: tuple()) :: {t(), [action()]}
  def request(exchange, owner, id, kind, mfa) do
    calls = Calls.open(exchange.calls, id, kind, owner)
    {%{exchange | calls: calls}, [{:write, {kind, id, mfa}}]}
  end

  @doc "Sends a message to a started program."
  @spec message(t(), Calls.id(), tuple()) :: {t(), [action()]}
  def message(exchange, id, message) do
    frame = {:send, id, message}

    case Calls.message(exchange.calls, id, frame) do
      {:now, calls} -> {%{exchange | calls: calls}, [{:write, frame}]}
      {_later, calls} -> {%{exchange | calls: calls}, []}
    end
  end

  @doc "A process asks for the next answer, and waits if there is none yet."
  @spec wait(t(), Calls.id(), GenServer.from()) :: {t(), [action()]}
  def wait(exchange, id, from) do
    case {Calls.take(exchange.calls, id), exchange.ended} do
      {{:ok, answer, calls}, _} -> {%{exchange | calls: calls}, [{:reply, from, answer}]}
      {:none, nil} -> {%{exchange | waiting: Map.put(exchange.waiting, id, from)}, []}
      {:none, ending} -> {exchange, [{:reply, from, {:error, {:closed, ending}}}]}
    end
  end

  @doc "Gives up a call, or ends a conversation."
  @spec stop(t(), Calls.id()) :: {t(), [action()]}
  def stop(exchange, id) do
    {tell, calls} = Calls.give_up(exchange.calls, id)
    exchange = %{exchange | calls: calls, waiting: Map.delete(exchange.waiting, id)}
    {exchange, if(tell == :tell, do: [{:write, {:stop, id}}], else: [])}
  end

  @doc "What is under way, by the process that it is for."
  @spec owners(t()) :: [{Calls.id(), pid()}]
  def owners(exchange), do: Calls.owners(exchange.calls)

  @doc """
  Handles a frame from the device. An error means that the device sent something invalid, so nothing
  more is read from it.
  """
  @spec take(t(), term()) :: {:ok, t(), [action()]} | :error
  # The address is a pid as text, `<0.1.0>`, and is only sent back to the device that it came from.
  def take(exchange, {:ready, address}) when is_list(address) and length(address) <= 50,
    do: answered(exchange, :ready, {:ok, address})

  def take(exchange, {id, :answer, value}) when is_integer(id),
    do: answered(exchange, id, {:ok, value})

  def take(exchange, {id, :raised, text}) when is_integer(id) and is_binary(text),
    do: answered(exchange, id, {:error, {:raised, excerpt(text)}})

  def take(exchange, {id, :stopped}) when is_integer(id) do
    with {:ok, calls} <- Calls.stopped(exchange.calls, id),
         do: {:ok, %{exchange | calls: calls}, []}
  end

  def take(_exchange, _frame), do: :error

  defp excerpt(text), do: text |> binary_part(0, min(byte_size(text), 500)) |> Text.printable()

  defp answered(exchange, id, answer) do
    with {:ok, calls, messages} <- Calls.answered(exchange.calls, id, answer) do
      {exchange, replies} = hand_out(%{exchange | calls: calls}, id)
      {:ok, exchange, for(message <- messages, do: {:write, message}) ++ replies}
    end
  end

  defp hand_out(%{waiting: waiting} = exchange, id) when is_map_key(waiting, id) do
    {from, waiting} = Map.pop!(waiting, id)
    {:ok, answer, calls} = Calls.take(exchange.calls, id)
    {%{exchange | waiting: waiting, calls: calls}, [{:reply, from, answer}]}
  end

  defp hand_out(exchange, _id), do: {exchange, []}

  @doc "ssh has ended, or its output is no longer read: all waiting processes get an answer."
  @spec ended(t(), term()) :: {t(), [action()]}
  def ended(exchange, ending) do
    replies = for {_, from} <- exchange.waiting, do: {:reply, from, {:error, {:closed, ending}}}
    {%{exchange | ended: ending, waiting: %{}}, replies}
  end
end
