defmodule Hotpush.Protocol.Session do
  @moduledoc """
  A connection with one device over a transport: its life, its deadline, its round trips.
  `Hotpush.Protocol.Requests` has what is asked over it.

  Each request may take the time that is left until the visit's deadline. A session may have many visits,
  one after the other, each with its own deadline: see `renewed/2`.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Question

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

  @doc "The address on the device of what serves the visit."
  @spec served_by(t()) :: charlist() | :none
  def served_by(session), do: session.target.transport.served_by(session.conn)

  @doc "Bytes sent and received so far."
  @spec bytes(t()) :: {non_neg_integer(), non_neg_integer()}
  def bytes(session), do: session.target.transport.bytes(session.conn)

  @doc "Closes the connection."
  @spec close(t()) :: :ok
  def close(session), do: session.target.transport.close(session.conn)

  @doc """
  Asks a question, in one round trip, within `ms` or the time that is left. An error belongs to `stage`.
  """
  @spec call(t(), atom(), Question.t(), timeout()) ::
          {:ok, term(), t()} | {:error, Error.t(), t()}
  def call(session, stage, question, ms \\ :infinity) do
    ms = min(ms, left(session))

    case session.target.transport.call(session.conn, question, ms) do
      {:ok, answer} -> {:ok, answer, count(session)}
      {:error, failure} -> {:error, error(session, stage, failure), count(session)}
    end
  end

  @doc "Counts a round trip."
  @spec count(t()) :: t()
  def count(session), do: %{session | round_trips: session.round_trips + 1}

  @doc "The time (ms) that is left until the deadline."
  @spec left(t()) :: non_neg_integer()
  def left(session), do: max(session.deadline - System.monotonic_time(:millisecond), 0)

  @doc """
  The error for a failure of the transport. A timeout names the time that the user set for the whole
  visit, not what was left of it.
  """
  @spec error(t(), atom(), term()) :: Error.t()
  def error(session, stage, {:timeout, _left}),
    do: Error.new(stage, session.target.name, {:timeout, session.timeout})

  def error(session, stage, failure), do: Error.new(stage, session.target.name, failure)
end
