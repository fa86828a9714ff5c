defmodule Hotpush.Protocol.Session do
  @moduledoc """
  What is said to one device over a transport: ask, then load, then leave. Counts round trips.

  Every step takes what is left until the visit's deadline. A session may have many visits, one after
  the other, each with its own deadline: see `renewed/2`.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Answer, Device, Memory, Parts, Question}
  alias Hotpush.Protocol.Agents

  # Above this much, modules travel in chunks, so that progress shows and a slow link is not
  # taken for a dead one.
  # A device that hears nothing for some seconds gives up: on a slow link, too, it hears of a piece.
  @stage_above 256 * 1024
  @chunk 32 * 1024

  # How long (ms) a push that is done already may wait for a notice.
  @notice 5_000

  defstruct [:target, :conn, :deadline, :timeout, round_trips: 0, committed?: false, seen: :none]

  @typedoc """
  `:committed?` says that the device may have changed something, or may do so yet; `:seen` is what it
  was asked for last, and the fingerprint that it answered: a push is refused where that is another by
  then.
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

  @typedoc "Somebody else's push is under way: whose, and since how many seconds."
  @type busy :: {:busy, String.t(), integer()}

  @typedoc "`:who` is what others are told who find the device busy."
  @type work :: %{
          steps: [Hotpush.Plan.Step.packed()],
          purge: :soft | :kill,
          force: boolean(),
          who: String.t()
        }

  @doc "Reaches the device. `timeout` (ms) is for the whole visit, the connecting included."
  @spec open(Target.t(), pos_integer()) :: {:ok, t()} | {:error, Error.t()}
  def open(%Target{} = target, timeout) do
    deadline = deadline(timeout)

    with {:ok, conn} <- target.transport.open(target, timeout) do
      {:ok, %__MODULE__{target: target, conn: conn, deadline: deadline, timeout: timeout}}
    end
  end

  @doc "Adds time (ms) to the visit: for what it waited for here."
  @spec extend(t(), number()) :: t()
  def extend(session, ms), do: %{session | deadline: session.deadline + ceil(ms)}

  @doc """
  The same connection for another visit, or another call, which may take `timeout` (ms) from now on.
  A step that took longer has cost that step alone. Round trips and bytes are counted on.
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
  Brings the agent and has it carry out the work, in one round trip, or in two where the modules
  travel in chunks. `progress` is called with `{:sent, modules, of}`.

  Where modules lost exports, one more asks who will call them. If that is not answered, nobody is
  named.
  """
  @spec push(t(), work(), (term() -> any())) :: {:ok, term(), t()} | {:error, Error.t(), t()}
  def push(session, work, progress) do
    {who, work} = work |> Map.put(:seen, session.seen) |> Map.pop(:who)

    if size(work.steps) <= @stage_above do
      work = Map.put(work, :patience, patience(session))
      question = Question.transact(Agents.run(work), :run, work, who)
      call(%{session | committed?: true}, :load, question)
    else
      stage(session, work, who, progress)
    end
    |> checked()
    |> orphaned(who)
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

  @doc "Asks who lives by these modules, as a push that removes them does before it begins."
  @spec lives(t(), [String.t()], String.t()) ::
          {:ok, busy() | [Hotpush.Plan.living()], t()} | {:error, Error.t(), t()}
  def lives(session, names, who) do
    question = Question.transact(Agents.lives(), :lives, names, who)

    with {:ok, answer, session} <- call(session, :ask, question) do
      if Answer.lives?(answer),
        do: {:ok, answer, session},
        else: {:error, error(session, :ask, {:unreadable, "no list of processes"}), session}
    end
  end

  @doc """
  Waits, after an answer was lost, until nothing of that visit goes on. `served_by` is the address
  of what served it. `{:ok, :busy, session}`: something still goes on.
  """
  @spec settle(t(), charlist() | :none) ::
          {:ok, :over | :busy, t()} | {:error, Error.t(), t()}
  def settle(session, served_by) do
    # Some of the time is for the question after this.
    with {:ok, answer, session} <-
           call(session, :load, Question.settle(served_by, div(left(session), 2))) do
      if Answer.settled?(answer),
        do: {:ok, answer, session},
        else: {:error, error(session, :load, {:unreadable, "no word of a transaction"}), session}
    end
  end

  @doc "The address of what serves the visit on the device."
  @spec served_by(t()) :: charlist() | :none
  def served_by(session), do: session.target.transport.served_by(session.conn)

  defp checked({:ok, answer, session}) do
    if Answer.load?(answer),
      do: {:ok, answer, session},
      else: {:error, error(session, :load, {:unreadable, "no report of what it did"}), session}
  end

  defp checked(failed), do: failed

  @doc "Bytes sent and received so far."
  @spec bytes(t()) :: {non_neg_integer(), non_neg_integer()}
  def bytes(session), do: session.target.transport.bytes(session.conn)

  @doc "Leaves the device."
  @spec close(t()) :: :ok
  def close(session), do: session.target.transport.close(session.conn)

  defp stage(session, work, who, progress) do
    transport = session.target.transport

    question = &Question.transact(Agents.stage(), :stage, {&1, &2}, who)

    case transport.start(session.conn, question, left(session)) do
      {:ok, conversation} ->
        result = converse(count(session), conversation, work, progress)
        transport.stop(conversation)
        result

      {:error, failure} ->
        {:error, error(session, :stage, failure), session}
    end
  end

  defp converse(session, conversation, work, progress) do
    transport = session.target.transport

    case transport.receive(conversation, left(session)) do
      {:ok, :ready} ->
        # Nothing is waited for between the chunks: they and the commit are one round trip.
        {staged, rest} = Enum.split_with(work.steps, &staged?/1)

        messages =
          for {kind, list} <- staged, chunk <- chunks(list), m <- pieces(kind, chunk), do: m

        Enum.each(messages, &transport.send(conversation, &1))
        steps = for {kind, _list} <- staged, do: {kind, []}
        commit = Map.merge(work, %{steps: steps ++ rest, patience: patience(session)})
        transport.send(conversation, {:commit, commit})
        session = count(%{session | committed?: true})
        count = staged |> Enum.map(fn {_kind, list} -> length(list) end) |> Enum.sum()
        answers(session, conversation, progress, {0, count})

      # The agent was not let in: somebody else's is at work.
      {:ok, answer} ->
        {:ok, answer, count(session)}

      {:error, failure} ->
        {:error, error(session, :stage, failure), session}
    end
  end

  defp answers(session, conversation, progress, {sent, all}) do
    case session.target.transport.receive(conversation, left(session)) do
      {:ok, {:staged, count}} when count in 0..all//1 and sent + count <= all ->
        progress.({:sent, sent + count, all})
        answers(session, conversation, progress, {sent + count, all})

      {:ok, answer} ->
        {:ok, answer, session}

      {:error, failure} ->
        {:error, error(session, :load, failure), session}
    end
  end

  defp call(session, stage, question), do: call(session, stage, question, left(session))

  defp call(session, stage, question, ms) do
    case session.target.transport.call(session.conn, question, ms) do
      {:ok, answer} -> {:ok, answer, count(session)}
      {:error, failure} -> {:error, error(session, stage, failure), count(session)}
    end
  end

  defp count(session), do: %{session | round_trips: session.round_trips + 1}

  defp left(session), do: max(session.deadline - System.monotonic_time(:millisecond), 0)

  # How long the device may work, so that its answer still arrives: it takes an eighth more to put
  # back what it has to.
  defp patience(session), do: div(left(session) * 3, 4)

  # What the user set is the time for the whole visit, not what was left of it.
  defp error(session, stage, {:timeout, _left}),
    do: Error.new(stage, session.target.name, {:timeout, session.timeout})

  defp error(session, stage, failure), do: Error.new(stage, session.target.name, failure)

  defp size(steps) do
    Enum.sum(
      for {_, list} = step <- steps, staged?(step), {_, _, binary} <- list, do: byte_size(binary)
    )
  end

  defp staged?({_kind, given}), do: is_list(given)

  defp chunks(list) do
    Enum.chunk_while(
      list,
      {[], 0},
      fn {_, _, beam} = module, {chunk, size} ->
        if size + byte_size(beam) > @chunk and chunk != [],
          do: {:cont, chunk, {[module], byte_size(beam)}},
          else: {:cont, {[module | chunk], size + byte_size(beam)}}
      end,
      fn {chunk, _} -> {:cont, chunk, nil} end
    )
  end

  # A module that is larger than a chunk stands alone in it.
  defp pieces(kind, [{name, app, beam}]) when byte_size(beam) > @chunk do
    <<piece::binary-size(@chunk), rest::binary>> = beam
    [{:piece, piece} | pieces(kind, [{name, app, rest}])]
  end

  defp pieces(kind, chunk), do: [{:chunk, kind, chunk}]
end
