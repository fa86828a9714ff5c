defmodule Hotpush.Transport do
  @moduledoc """
  How a device is talked to. Every call is a `t:Hotpush.Protocol.Question.t/0`, which the device's own
  `erl_eval` carries out.

  Errors are `Hotpush.Error`s of the stage `:connect`, or reasons for the caller to complete:
  `{:timeout, ms}`, `:connection_lost`, `{:raised, text}`.

  A connection may last for hours. Each call has its own time; one that takes longer costs that call,
  not the connection, and its answer is dropped when it comes.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Question

  @type conn :: term()
  @type conversation :: term()
  @type failure :: {:timeout, pos_integer()} | :connection_lost | {:raised, String.t()}

  @doc """
  What has to be there before any device is visited: called for one target after the other.
  Answers the target with what was found out about it, its node for one.
  """
  @callback prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}

  @doc "Undoes what `c:prepare/1` did, when all visits are over."
  @callback finish() :: :ok

  @doc "Reaches the device within `timeout` milliseconds."
  @callback open(Target.t(), timeout :: pos_integer()) :: {:ok, conn()} | {:error, Error.t()}

  @doc "One question, one answer: one round trip."
  @callback call(conn(), Question.t(), timeout :: non_neg_integer()) ::
              {:ok, term()} | {:error, failure()}

  @doc """
  Starts a program on the device that takes messages. `question` makes it from the address that
  its answers go to, and their tag. One round trip, until it is known to have started.
  """
  @callback start(
              conn(),
              (address :: term(), tag :: term() -> Question.t()),
              timeout :: non_neg_integer()
            ) :: {:ok, conversation()} | {:error, failure()}

  @doc """
  Sends a message to such a program; does not wait. Until `c:stop/1`, the program hears also every
  second that this host is there.
  """
  @callback send(conversation(), tuple()) :: :ok

  @doc "The next answer of such a program."
  @callback receive(conversation(), timeout :: non_neg_integer()) ::
              {:ok, term()} | {:error, failure()}

  @doc "Says nothing more to such a program; what it answers from now on is dropped."
  @callback stop(conversation()) :: :ok

  @doc "The device's address of what serves the visit, for `Hotpush.Protocol.Question.settle/2`."
  @callback served_by(conn()) :: charlist() | :none

  @doc "Bytes that went to the device and came from it so far, handshake included."
  @callback bytes(conn()) :: {sent :: non_neg_integer(), received :: non_neg_integer()}

  @doc "Leaves the device."
  @callback close(conn()) :: :ok
end
