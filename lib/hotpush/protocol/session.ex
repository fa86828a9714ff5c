defmodule Hotpush.Protocol.Session do
  @moduledoc """
  The conversation with one device over a transport: ask, stage, commit, leave. Counts round trips.

  Each step may take the time that is left until the visit's deadline. A session may have many visits,
  one after the other, each with its own deadline: see `renewed/2`.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Agents, Answer, Chunks, Device, Memory, Parts, Question, Staging}

  # Above this size, modules travel in chunks, so that the progress line moves and a slow link does not
  # look like a dead one.
  @stage_above 256 * 1024

  # How long (ms) a push that is already done may wait for a notice.
  @notice 5_000

  defstruct [:target, :conn, :deadline, :timeout, round_trips: 0, committed?: false, seen: :none]

  @typedoc """
  `:committed?` says that the device may have changed something, or may still do so. `:seen` is the last
  question, and the fingerprint in its answer: a push is refused if the fingerprint has changed by then.
  """

  @type t :: %__MODULE__{
          target: Target.t(),
          conn: term(),
          deadline: integer(),
          timeout: pos_integer(),
          round_trips: non_neg_integer(),
          committed?: boolean(),
          seen: :none | {[atom()], binary()}
        }

  @typedoc "Somebody else's push is running: whose, and for how many seconds."
  @type busy :: {:busy, String.t(), integer()}

  @typedoc "`:who` is shown to others who find the device busy."
  @type work :: %{
          steps: [Hotpush.Plan.Step.packed()],
          purge: :soft | :kill,
          force: boolean(),
          who: String.t()
        }

  @typedoc "What `stage/4` has sent, or keeps for `commit/3`, or why the device refuses it."
  @type staged :: Staging.t() | work() | {:answer, term()}

  @doc "Reaches the device. `timeout` (ms) is for the whole visit, including the connection."
  @spec open(Target.t(), pos_integer()) :: {:ok, t()} | {:error, Error.t()}
  def open(%Target{} = target, timeout) do
    deadline = deadline(timeout)

    with {:ok, conn} <- target.transport.open(target, timeout) do
      {:ok, %__MODULE__{target: target, conn: conn, deadline: deadline, timeout: timeout}}
    end
  end

  @doc "Adds time (ms) to the visit, for what it waited for on this computer."
  @spec extend(t(), number()) :: t()
  def extend(session, ms), do: %{session | deadline: session.deadline + ceil(ms)}

  @doc """
  The same connection for another visit, or another call, which may take `timeout` (ms) from now on. If
  an earlier step took too long, only that step has failed. The counts of round trips and bytes continue.
  """
  @spec renewed(t(), pos_integer()) :: t()
  def renewed(%__MODULE__{} = session, timeout),
    do: %{session | deadline: deadline(timeout), timeout: timeout, committed?: false}

  defp deadline(timeout), do: System.monotonic_time(:millisecond) + timeout

  @doc "Asks what the device is and runs. `remembered` is from `Hotpush.Protocol.Memory.recall/2`."
  @spec ask(t(), [atom()], [atom()], [module()], Memory.t()) ::
          {:ok, Device.t(), t()} | {:error, Error.t(), t()}
  def ask(session, apps, own, extra, remembered) do
    names = Map.new(apps, &{to_string(&1), &1})
    known = for {app, print} <- Map.keys(remembered.files), name = names[app], do: {name, print}
    question = Question.ask(apps, own, extra, known, Parts.seen(remembered.parts), Answer.cut())

    with {:ok, binary, session} <- call(session, :ask, question) do
      case Device.decode(binary, remembered) do
        {:ok, device} ->
          {:ok, device, %{session | seen: {apps -- [:hotpush], device.fingerprint}}}

        {:error, what} ->
          {:error, error(session, :ask, {:unreadable, what}), session}
      end
    end
  end

  @doc """
  Sends the code to the device, which changes nothing there yet.

  A small push is not sent before `commit/3`, so that both take one round trip. A larger one travels in
  chunks, which takes one round trip, and this does not wait until they arrive. With `apart?`, also a
  small push travels in chunks, and all of it has arrived when this returns. `progress` is called with
  `{:sent, modules, of}`.
  """
  @spec stage(t(), work(), boolean(), (term() -> any())) ::
          {:ok, staged(), t()} | {:error, Error.t(), t()}
  def stage(session, work, apart?, progress) do
    if apart? or Chunks.size(work.steps) > @stage_above,
      do: session |> start(work, progress) |> arrived(apart?),
      else: {:ok, work, session}
  end

  @doc """
  Has the device carry out the work, in one round trip.

  If modules lost exports, one more round trip asks who will call them. Without an answer, no process
  is named.
  """
  @spec commit(t(), staged(), work()) :: {:ok, term(), t()} | {:error, Error.t(), t()}
  def commit(session, staged, %{who: who} = work) do
    work = Map.merge(work, %{seen: session.seen, patience: patience(session)}) |> Map.delete(:who)
    session |> committed(staged, work, who) |> checked() |> orphaned(who)
  end

  # Somebody else's is at work there.
  defp committed(session, {:answer, answer}, _work, _who), do: {:ok, answer, session}

  defp committed(session, %Staging{} = staging, work, _who) do
    session = count(%{session | committed?: true})

    case Staging.commit(staging, work, fn -> left(session) end) do
      {:answer, answer} -> {:ok, answer, session}
      {:error, failure} -> {:error, error(session, :load, failure), session}
    end
  end

  defp committed(session, _work, work, who) do
    question = Question.transact(Agents.run(work), :run, work, who)
    call(%{session | committed?: true}, :load, question)
  end

  defp orphaned({:ok, {:done, %{lost: [_ | _] = lost} = result}, session}, who) do
    question = Question.transact(Agents.lives(), :orphaned, lost, who)

    case call(session, :ask, question, min(left(session), @notice)) do
      {:ok, answer, session} ->
        orphaned = if Answer.orphaned?(answer), do: answer, else: []
        {:ok, {:done, %{result | orphaned: orphaned}}, session}

      {:error, _error, session} ->
        {:ok, {:done, result}, session}
    end
  end

  defp orphaned(answered, _who), do: answered

  @doc "Asks who needs these modules, as a push that removes them does before it begins."
  @spec lives(t(), [String.t()], String.t()) ::
          {:ok, busy() | [Hotpush.Plan.living()], t()} | {:error, Error.t(), t()}
  def lives(session, names, who) do
    question = Question.transact(Agents.lives(), :lives, names, who)

    with {:ok, answer, session} <- call(session, :ask, question) do
      if Answer.lives?(answer),
        do: {:ok, answer, session},
        else:
          {:error, error(session, :ask, {:unreadable, "it is not a list of processes"}), session}
    end
  end

  @doc """
  Waits, after an answer was lost, until nothing of that visit is running. `served_by` is the address of
  what served it. Returns `{:ok, :busy, session}` if something is still running.
  """
  @spec settle(t(), charlist() | :none) ::
          {:ok, :over | :busy, t()} | {:error, Error.t(), t()}
  def settle(session, served_by) do
    # Part of the time is for the question after this.
    with {:ok, answer, session} <-
           call(session, :load, Question.settle(served_by, div(left(session), 2))) do
      if Answer.settled?(answer),
        do: {:ok, answer, session},
        else:
          {:error, error(session, :load, {:unreadable, "it is not the state of a transaction"}),
           session}
    end
  end

  @doc "The address on the device of what serves the visit."
  @spec served_by(t()) :: charlist() | :none
  def served_by(session), do: session.target.transport.served_by(session.conn)

  defp checked({:ok, answer, session}) do
    if Answer.load?(answer),
      do: {:ok, answer, session},
      else:
        {:error, error(session, :load, {:unreadable, "it is not a report of the push"}), session}
  end

  defp checked(failed), do: failed

  @doc "Bytes sent and received so far."
  @spec bytes(t()) :: {non_neg_integer(), non_neg_integer()}
  def bytes(session), do: session.target.transport.bytes(session.conn)

  @doc "Closes the connection."
  @spec close(t()) :: :ok
  def close(session), do: session.target.transport.close(session.conn)

  defp start(session, %{steps: steps, who: who}, progress) do
    %{target: %{transport: transport}, conn: conn} = session

    transport
    |> Staging.start(conn, steps, who, fn -> left(session) end, progress)
    |> staged(count(session))
  end

  # Waits until all of it has arrived, if asked to.
  defp arrived({:ok, %Staging{} = staging, session}, true),
    do: staging |> Staging.arrive(fn -> left(session) end) |> staged(count(session))

  defp arrived(started, _apart?), do: started

  defp staged({:ok, staging}, session), do: {:ok, staging, session}
  defp staged({:answer, _} = answer, session), do: {:ok, answer, session}
  defp staged({:error, failure}, session), do: {:error, error(session, :stage, failure), session}

  defp call(session, stage, question), do: call(session, stage, question, left(session))

  defp call(session, stage, question, ms) do
    case session.target.transport.call(session.conn, question, ms) do
      {:ok, answer} -> {:ok, answer, count(session)}
      {:error, failure} -> {:error, error(session, stage, failure), count(session)}
    end
  end

  defp count(session), do: %{session | round_trips: session.round_trips + 1}

  defp left(session), do: max(session.deadline - System.monotonic_time(:millisecond), 0)

  # How long the device may work, so that its answer still arrives: it may need an eighth more to put
  # modules back.
  defp patience(session), do: div(left(session) * 3, 4)

  # The message names the time that the user set for the whole visit, not what was left of it.
  defp error(session, stage, {:timeout, _left}),
    do: Error.new(stage, session.target.name, {:timeout, session.timeout})

  defp error(session, stage, failure), do: Error.new(stage, session.target.name, failure)
end
