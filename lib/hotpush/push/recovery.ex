defmodule Hotpush.Push.Recovery do
  @moduledoc """
  Recovers after the answer to a push was lost: reaches the device again, waits until nothing of the
  broken visit is still running there, and asks what the device runs.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Device, Requests, Session}

  # A dropped Wi-Fi connection comes back within seconds, and so does a device that was too slow. If the
  # user set a shorter timeout, this does not take longer either.
  @grace 10_000
  @pause 250

  @typedoc "Round trips, and bytes sent and received."
  @type cost :: {non_neg_integer(), non_neg_integer(), non_neg_integer()}

  @doc "How long (ms) it may take if a visit may take `timeout`."
  @spec grace(pos_integer()) :: pos_integer()
  def grace(timeout), do: min(@grace, timeout)

  @doc """
  What the device now runs, by calling `ask` with a session. `served_by` is that of the broken visit
  (see `Hotpush.Protocol.Session.served_by/1`), which is closed.
  """
  @spec run(
          Target.t(),
          charlist() | :none,
          pos_integer(),
          (Session.t() -> {:ok, Device.t(), Session.t()} | {:error, Error.t(), Session.t()})
        ) :: {{:ok, Device.t()} | {:error, Error.t()}, cost()}
  def run(target, served_by, timeout, ask) do
    attempt({target, served_by, ask}, now() + grace(timeout), {0, 0, 0})
  end

  defp attempt({target, _, _} = what, deadline, cost) do
    case Session.open(target, max(deadline - now(), 1)) do
      {:ok, session} ->
        {result, session} =
          try do
            {result, session} = settled(what, session)
            {result, {session.round_trips, Session.bytes(session)}}
          after
            Session.close(session)
          end

        again(result, what, deadline, add(cost, session))

      {:error, error} ->
        again({:error, error}, what, deadline, cost)
    end
  end

  defp settled({_, served_by, ask}, session) do
    case Requests.settle(session, served_by) do
      {:ok, :over, session} ->
        asked(ask.(session))

      {:ok, :busy, session} ->
        {{:error, Error.new(:load, session.target.name, :still_busy)}, session}

      {:error, error, session} ->
        {{:error, error}, session}
    end
  end

  defp asked({:ok, device, session}), do: {{:ok, device}, session}
  defp asked({:error, error, session}), do: {{:error, error}, session}

  # A link that was cut may stay cut for a while, so try again. A device with invalid answers stays so.
  defp again({:error, %Error{stage: stage, reason: reason}} = failed, what, deadline, cost) do
    if now() + @pause < deadline and (stage == :connect or reason == :connection_lost) do
      receive do
      after
        @pause -> attempt(what, deadline, cost)
      end
    else
      {failed, cost}
    end
  end

  defp again(result, _what, _deadline, cost), do: {result, cost}

  defp add({trips, sent, received}, {more, {s, r}}), do: {trips + more, sent + s, received + r}

  defp now, do: System.monotonic_time(:millisecond)
end
