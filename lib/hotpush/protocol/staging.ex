defmodule Hotpush.Protocol.Staging do
  @moduledoc """
  The conversation with a device that receives code in chunks, until it is told to commit: see
  `src/hotpush_stage.erl`. `left` returns how long (ms) this may wait.
  """

  alias Hotpush.Protocol.{Agents, Chunks, Question}
  alias Hotpush.Transport

  defstruct [:transport, :conversation, :steps, :progress, sent: 0, of: 0]

  @typedoc "Under way: the steps without what has been sent, and how much of that has arrived."
  @opaque t :: %__MODULE__{}

  @type left :: (() -> non_neg_integer())

  @doc """
  Starts it, and sends the chunks. This takes one round trip, since it does not wait until they arrive.
  `{:answer, _}` is the answer of a device that refuses. `progress` is called with
  `{:sent, modules, of}`.
  """
  @spec start(module(), Transport.conn(), (() -> Chunks.t()), String.t(), left(), fun()) ::
          {:ok, t()} | {:answer, term()} | {:error, Transport.failure()}
  def start(transport, conn, chunks, who, left, progress) do
    question = &Question.transact(Agents.stage(), :stage, {&1, &2}, who)

    with {:ok, conversation} <- transport.start(conn, question, left.()) do
      staging = %__MODULE__{transport: transport, conversation: conversation, progress: progress}

      case transport.receive(conversation, left.()) do
        {:ok, :ready} ->
          %Chunks{messages: messages, rest: steps, modules: of} = chunks.()
          Enum.each(messages, &transport.send(conversation, &1))
          {:ok, %{staging | steps: steps, of: of}}

        other ->
          ended(staging, other)
      end
    end
  end

  @doc "Waits until all of it has arrived, which takes one round trip."
  @spec arrive(t(), left()) :: {:ok, t()} | {:answer, term()} | {:error, Transport.failure()}
  def arrive(staging, left), do: follow(staging, left, :arrived)

  @doc "Has the device carry out the work, whose modules it has, in one round trip."
  @spec commit(t(), map(), left()) :: {:answer, term()} | {:error, Transport.failure()}
  def commit(staging, work, left) do
    staging.transport.send(staging.conversation, {:commit, %{work | steps: staging.steps}})
    follow(staging, left, :answered)
  end

  defp follow(%__MODULE__{sent: of, of: of} = staging, _left, :arrived), do: {:ok, staging}

  defp follow(%__MODULE__{sent: sent, of: of} = staging, left, until) do
    case staging.transport.receive(staging.conversation, left.()) do
      {:ok, {:staged, count}} when count in 0..of//1 and sent + count <= of ->
        staging.progress.({:sent, sent + count, of})
        follow(%{staging | sent: sent + count}, left, until)

      other ->
        ended(staging, other)
    end
  end

  defp ended(staging, result) do
    staging.transport.stop(staging.conversation)
    with {:ok, answer} <- result, do: {:answer, answer}
  end
end
