defmodule Hotpush.Protocol.Requests do
  @moduledoc """
  What a device is asked over a `Hotpush.Protocol.Session`: `ask`, then `stage` and `commit`; `lives` for a
  dry run; `settle` after an answer was lost. Each answer is checked by `Hotpush.Protocol.Answer`.
  """

  alias Hotpush.Error
  alias Hotpush.Protocol.{Agents, Answer, Chunks, Device, Memory, Parts, Question}
  alias Hotpush.Protocol.{Session, Staging}

  # How long (ms) a push that is already done may wait for a notice.
  @notice 5_000

  @typedoc "Somebody else's push is running: whose, and for how many seconds."
  @type busy :: {:busy, String.t(), integer()}

  @typedoc """
  `:who` is shown to others who find the device busy. `:chunks` returns the steps as they travel in
  chunks.
  """
  @type work :: %{
          steps: [Hotpush.Plan.Step.packed()],
          chunks: (() -> Chunks.t()),
          purge: :soft | :kill,
          force: boolean(),
          who: String.t()
        }

  @typedoc "What `stage/4` has sent, or keeps for `commit/3`, or why the device refuses it."
  @type staged :: Staging.t() | work() | {:answer, term()}

  @doc "Asks what the device is and runs. `remembered` is from `Hotpush.Protocol.Memory.recall/2`."
  @spec ask(Session.t(), [atom()], [atom()], [module()], Memory.t()) ::
          {:ok, Device.t(), Session.t()} | {:error, Error.t(), Session.t()}
  def ask(session, apps, own, extra, remembered) do
    names = Map.new(apps, &{to_string(&1), &1})
    known = for {app, print} <- Map.keys(remembered.files), name = names[app], do: {name, print}
    question = Question.ask(apps, own, extra, known, Parts.seen(remembered.parts), Answer.cut())

    with {:ok, binary, session} <- Session.call(session, :ask, question) do
      case Device.decode(binary, remembered) do
        {:ok, device} ->
          {:ok, device, %{session | seen: {apps -- [:hotpush], device.fingerprint}}}

        {:error, what} ->
          {:error, Session.error(session, :ask, {:unreadable, what}), session}
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
  @spec stage(Session.t(), work(), boolean(), (term() -> any())) ::
          {:ok, staged(), Session.t()} | {:error, Error.t(), Session.t()}
  def stage(session, work, apart?, progress) do
    if apart? or Chunks.large?(work.steps),
      do: session |> start(work, progress) |> arrived(apart?),
      else: {:ok, work, session}
  end

  @doc """
  Has the device carry out the work, in one round trip.

  If modules lost exports, one more round trip asks who will call them. Without an answer, no process
  is named.
  """
  @spec commit(Session.t(), staged(), work()) ::
          {:ok, term(), Session.t()} | {:error, Error.t(), Session.t()}
  def commit(session, staged, %{who: who} = work) do
    # So that its answer still arrives: the device may need an eighth more to put modules back.
    given = %{seen: session.seen, patience: div(Session.left(session) * 3, 4)}
    work = work |> Map.drop([:who, :chunks]) |> Map.merge(given)

    session
    |> committed(staged, work, who)
    |> checked(:load, &Answer.load?/1, "it is not a report of the push")
    |> orphaned(who)
  end

  # Somebody else's is at work there.
  defp committed(session, {:answer, answer}, _work, _who), do: {:ok, answer, session}

  defp committed(session, %Staging{} = staging, work, _who) do
    session = Session.count(%{session | committed?: true})

    case Staging.commit(staging, work, fn -> Session.left(session) end) do
      {:answer, answer} -> {:ok, answer, session}
      {:error, failure} -> {:error, Session.error(session, :load, failure), session}
    end
  end

  defp committed(session, _work, work, who) do
    question = Question.transact(Agents.run(work), :run, work, who)
    Session.call(%{session | committed?: true}, :load, question)
  end

  defp orphaned({:ok, {:done, %{lost: [_ | _] = lost} = result}, session}, who) do
    question = Question.transact(Agents.lives(), :orphaned, lost, who)

    case Session.call(session, :ask, question, @notice) do
      {:ok, answer, session} ->
        orphaned = if Answer.orphaned?(answer), do: answer, else: []
        {:ok, {:done, %{result | orphaned: orphaned}}, session}

      {:error, _error, session} ->
        {:ok, {:done, result}, session}
    end
  end

  defp orphaned(answered, _who), do: answered

  @doc "Asks who needs these modules, as a push that removes them does before it begins."
  @spec lives(Session.t(), [String.t()], String.t()) ::
          {:ok, busy() | [Hotpush.Plan.living()], Session.t()} | {:error, Error.t(), Session.t()}
  def lives(session, names, who) do
    session
    |> Session.call(:ask, Question.transact(Agents.lives(), :lives, names, who))
    |> checked(:ask, &Answer.lives?/1, "it is not a list of processes")
  end

  @doc """
  Waits, after an answer was lost, until nothing of that visit is running. `served_by` is the address of
  what served it. Returns `{:ok, :busy, session}` if something is still running.
  """
  @spec settle(Session.t(), charlist() | :none) ::
          {:ok, :over | :busy, Session.t()} | {:error, Error.t(), Session.t()}
  def settle(session, served_by) do
    # Part of the time is for the question after this.
    session
    |> Session.call(:load, Question.settle(served_by, div(Session.left(session), 2)))
    |> checked(:load, &Answer.settled?/1, "it is not the state of a transaction")
  end

  defp checked({:ok, answer, session}, stage, fits?, otherwise) do
    if fits?.(answer),
      do: {:ok, answer, session},
      else: {:error, Session.error(session, stage, {:unreadable, otherwise}), session}
  end

  defp checked(failed, _stage, _fits?, _otherwise), do: failed

  defp start(session, %{chunks: chunks, who: who}, progress) do
    %{target: %{transport: transport}, conn: conn} = session

    transport
    |> Staging.start(conn, chunks, who, fn -> Session.left(session) end, progress)
    |> staged(Session.count(session))
  end

  # Waits until all of it has arrived, if asked to.
  defp arrived({:ok, %Staging{} = staging, session}, true),
    do:
      staging |> Staging.arrive(fn -> Session.left(session) end) |> staged(Session.count(session))

  defp arrived(started, _apart?), do: started

  defp staged({:ok, staging}, session), do: {:ok, staging, session}
  defp staged({:answer, _} = answer, session), do: {:ok, answer, session}

  defp staged({:error, failure}, session),
    do: {:error, Session.error(session, :stage, failure), session}
end
