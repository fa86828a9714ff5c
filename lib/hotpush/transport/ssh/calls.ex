defmodule Hotpush.Transport.Ssh.Calls do
  @moduledoc """
  What is under way on one ssh: which calls are open, which of their answers nobody has asked for
  yet, and which messages have to wait. Pure.
  """

  # Messages that may be under way to one program there without an answer: the daemon's memory for
  # what nobody has read yet is some thirty times its size.
  @window 16

  # Answers of one call that may wait to be asked for.
  @unread 1_000

  @type id :: :ready | pos_integer()
  @type kind :: :call | :start
  @type t :: %{id() => map()}

  @doc "Nothing is under way but the device's greeting."
  @spec new() :: t()
  def new, do: open(%{}, :ready, :call)

  @doc "Opens a call, which has one answer, or one that is started, and may have many."
  @spec open(t(), id(), kind()) :: t()
  def open(calls, id, kind) do
    left = if kind == :call, do: 1, else: :infinity

    Map.put(calls, id, %{
      left: left,
      answers: :queue.new(),
      unread: 0,
      flying: 0,
      held: :queue.new()
    })
  end

  @doc "Whether a message may go out now; if not, it is kept until `answered/3` hands it out."
  @spec message(t(), id(), term()) :: {:now | :later, t()}
  def message(calls, id, message) do
    case calls do
      %{^id => %{flying: flying} = call} when flying < @window ->
        {:now, %{calls | id => %{call | flying: flying + 1}}}

      %{^id => call} ->
        {:later, %{calls | id => %{call | held: :queue.in(message, call.held)}}}
    end
  end

  @doc """
  Takes an answer in; answers the message that may go out for it. An error: nobody has asked for
  it, or for so much.
  """
  @spec answered(t(), term(), term()) :: {:ok, t(), [term()]} | :error
  def answered(calls, id, answer) do
    case calls do
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

  @doc "Hands out the next answer of a call, if there is one."
  @spec take(t(), id()) :: {:ok, term(), t()} | :none
  def take(calls, id) do
    with %{^id => call} <- calls,
         {{:value, answer}, answers} <- :queue.out(call.answers) do
      {:ok, answer, %{calls | id => %{call | answers: answers, unread: call.unread - 1}}}
    else
      _ -> :none
    end
  end
end
