defmodule Hotpush.Transport.Ssh.Calls do
  @moduledoc """
  What is under way on one ssh: which calls are open, which of their answers nobody has asked for
  yet, and which messages have to wait. Pure.

  A call is forgotten with its answer. What is given up, a call or a conversation, is forgotten when
  the device says that it answers no more to it; until then its answers are dropped. So this table is
  as large as what is under way, and an answer for which it has no entry is a lie.
  """

  # Messages that may be under way to one program there without an answer: the daemon's memory for
  # what nobody has read yet is some thirty times its size.
  @window 16

  # Answers of one call that may wait to be asked for.
  @unread 1_000

  @type id :: :ready | pos_integer()
  @type kind :: :call | :start
  @type t :: %{id() => map() | :given_up}

  @doc "Nothing is under way but the device's greeting."
  @spec new() :: t()
  def new, do: open(%{}, :ready, :call, nil)

  @doc """
  Opens a call, which has one answer, or one that is started, and may have many, until `owner` gives
  it up.
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
  Takes an answer in; answers the message that may go out for it. An error: nobody has asked for
  it, or for so much.
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

  @doc "Hands out the next answer of a call, if there is one. With the last one it is forgotten."
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

  @doc "Gives one up. `:tell`: the device has to be told, since it may still answer."
  @spec give_up(t(), id()) :: {:tell | :over, t()}
  def give_up(calls, id) do
    case calls do
      %{^id => %{left: 0}} -> {:over, Map.delete(calls, id)}
      %{^id => %{}} -> {:tell, %{calls | id => :given_up}}
      _ -> {:over, calls}
    end
  end

  @doc "The device answers no more to what was given up."
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
