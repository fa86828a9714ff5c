defmodule Hotpush.Transport.Ssh.Calls do
  @moduledoc """
  The table of calls on one ssh: which calls are open, which of their answers have not been fetched
  yet, and which messages have to wait. Pure.

  A call is forgotten when it is answered. A call or conversation that is given up is forgotten when the
  device confirms that it sends no more of it; until then, its answers are dropped. So the table only
  has what is under way, and an answer without an entry is an error of the device.
  """

  # How many messages may be on their way to one program there without an answer: the daemon needs some
  # thirty times the size of what nobody has read yet.
  @window 16

  # How many answers of one call may wait to be fetched.
  @unread 1_000

  @type id :: :ready | pos_integer()
  @type kind :: :call | :start
  @type t :: %{id() => map() | :given_up}

  @doc "The table at the start, when only the device's greeting is expected."
  @spec new() :: t()
  def new, do: open(%{}, :ready, :call, nil)

  @doc """
  Opens a call, which has one answer, or a start, which may have many until `owner` gives it up.
  """
  @spec open(t(), id(), kind(), pid() | nil) :: t()
  def open(calls, id, kind, owner) do
    left = if kind == :call, do: 1, else: :infinity

    Map.put(calls, id, %{
      owner: owner,
      left: left,
      answers: :queue.new(),
      unread: 0,
      flying: 0,
      held: :queue.new()
    })
  end

  @doc "Whether a message may go out now; if not, it is kept until `answered/3` hands it out."
  @spec message(t(), id(), term()) :: {:now | :later | :gone, t()}
  def message(calls, id, message) do
    case calls do
      %{^id => %{flying: flying} = call} when flying < @window ->
        {:now, %{calls | id => %{call | flying: flying + 1}}}

      %{^id => %{} = call} ->
        {:later, %{calls | id => %{call | held: :queue.in(message, call.held)}}}

      _ ->
        {:gone, calls}
    end
  end

  @doc """
  Adds an answer; returns the message that may now be sent. It is an error if nobody has asked for the
  answer, or if there are too many.
  """
  @spec answered(t(), term(), term()) :: {:ok, t(), [term()]} | :error
  def answered(calls, id, answer) do
    case calls do
      %{^id => :given_up} ->
        {:ok, calls, []}

      %{^id => %{left: left, unread: unread} = call} when left != 0 and unread < @unread ->
        left = if left == :infinity, do: left, else: left - 1
        call = %{call | left: left, unread: unread + 1, answers: :queue.in(answer, call.answers)}
        {call, messages} = landed(call)
        {:ok, %{calls | id => call}, messages}

      _ ->
        :error
    end
  end

  defp landed(%{flying: 0} = call), do: {call, []}

  defp landed(call) do
    case :queue.out(call.held) do
      {{:value, message}, held} -> {%{call | held: held}, [message]}
      {:empty, _} -> {%{call | flying: call.flying - 1}, []}
    end
  end

  @doc "Returns the next answer of a call, if there is one. With the last one, the call is forgotten."
  @spec take(t(), id()) :: {:ok, term(), t()} | :none
  def take(calls, id) do
    with %{^id => %{} = call} <- calls,
         {{:value, answer}, answers} <- :queue.out(call.answers) do
      if call.left == 0,
        do: {:ok, answer, Map.delete(calls, id)},
        else: {:ok, answer, %{calls | id => %{call | answers: answers, unread: call.unread - 1}}}
    else
      _ -> :none
    end
  end

  @doc "Gives a call up. `:tell` means that the device must be told, since it may still answer."
  @spec give_up(t(), id()) :: {:tell | :over, t()}
  def give_up(calls, id) do
    case calls do
      %{^id => %{left: 0}} -> {:over, Map.delete(calls, id)}
      %{^id => %{}} -> {:tell, %{calls | id => :given_up}}
      _ -> {:over, calls}
    end
  end

  @doc "The device confirmed that it sends no more of what was given up."
  @spec stopped(t(), term()) :: {:ok, t()} | :error
  def stopped(calls, id) do
    case calls do
      %{^id => :given_up} -> {:ok, Map.delete(calls, id)}
      _ -> :error
    end
  end

  @doc "What is under way, by the process that it is for."
  @spec owners(t()) :: [{id(), pid()}]
  def owners(calls), do: for({id, %{owner: owner}} when is_pid(owner) <- calls, do: {id, owner})
end
