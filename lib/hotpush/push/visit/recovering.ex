defmodule Hotpush.Push.Visit.Recovering do
  @moduledoc "The end of a visit in which the answer to `commit` was lost: asks the device again."

  import Hotpush.Push.Stopwatch, only: [timed: 1]

  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Session
  alias Hotpush.Push.{Recovery, Visit}
  alias Hotpush.Push.Visit.Asking
  alias Hotpush.Report.{LostAnswer, Result}

  @doc """
  The result of a visit. If the answer was lost, it is what the device then runs. The connection must be
  closed by now, so that nothing of the visit can be carried out any more.
  """
  @spec result(Visit.t()) :: Result.t()
  def result(%{result: %Result{lost: nil} = result}), do: result

  def result(%{result: %Result{lost: lost} = outcome, target: target} = visit) do
    visit.progress.({:asking_again, target.name})
    served_by = Session.served_by(visit.session)
    ask = &Asking.ask_again(visit, &1)

    {{result, {trips, sent, received}}, ms} =
      timed(fn -> Recovery.run(target, served_by, visit.config.timeout, ask) end)

    outcome = %{
      outcome
      | lost: nil,
        round_trips: outcome.round_trips + trips,
        sent: outcome.sent + sent,
        received: outcome.received + received,
        ms: Map.update(outcome.ms, :send, ms, &(&1 + ms))
    }

    case result do
      {:ok, device} -> LostAnswer.seen(outcome, lost, device)
      {:error, error} -> LostAnswer.unknown(outcome, lost, Target.named(target, error))
    end
  end
end
