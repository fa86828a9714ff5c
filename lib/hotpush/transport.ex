defmodule Hotpush.Transport do
  @moduledoc """
  The behaviour of transports, which carry questions to a device. Every call is a
  `t:Hotpush.Protocol.Question.t/0`, which the device's own `erl_eval` carries out.

  Errors are `Hotpush.Error`s of the stage `:connect`, or reasons that the caller makes into errors:
  `{:timeout, ms}`, `:connection_lost`, `{:raised, text}`.

  A connection may last for hours. Each call has its own deadline. If a call takes longer, only that
  call fails, and its late answer is dropped.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Question

  @type conn :: term()
  @type conversation :: term()
  @type failure :: {:timeout, pos_integer()} | :connection_lost | {:raised, String.t()}

  @doc """
  Sets up what a target needs before it is visited. Called for one target after the other. Returns the
  target with what was found out about it, such as its node.
  """
  @callback prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}

  @doc "Undoes what `c:prepare/1` did, after all visits."
  @callback finish() :: :ok

  @doc "Reaches the device within `timeout` milliseconds."
  @callback open(Target.t(), timeout :: pos_integer()) :: {:ok, conn()} | {:error, Error.t()}

  @doc "Asks one question and returns its answer, in one round trip."
  @callback call(conn(), Question.t(), timeout :: non_neg_integer()) ::
              {:ok, term()} | {:error, failure()}

  @doc """
  Starts a program on the device that receives messages. `question` makes the program from the address
  to which its answers go, and their tag. This takes one round trip, until the program has started.
  """
  @callback start(
              conn(),
              (address :: term(), tag :: term() -> Question.t()),
              timeout :: non_neg_integer()
            ) :: {:ok, conversation()} | {:error, failure()}

  @doc """
  Sends a message to such a program, without waiting. Until `c:stop/1`, the program is also told every
  second that this host is there.
  """
  @callback send(conversation(), tuple()) :: :ok

  @doc "Returns the next answer of such a program."
  @callback receive(conversation(), timeout :: non_neg_integer()) ::
              {:ok, term()} | {:error, failure()}

  @doc "Sends nothing more to such a program. Its answers from now on are dropped."
  @callback stop(conversation()) :: :ok

  @doc "The address on the device of what serves the visit, for `Hotpush.Protocol.Question.settle/2`."
  @callback served_by(conn()) :: charlist() | :none

  @doc "The bytes sent to the device and received from it so far, including the handshake."
  @callback bytes(conn()) :: {sent :: non_neg_integer(), received :: non_neg_integer()}

  @doc "Closes the connection."
  @callback close(conn()) :: :ok
end
