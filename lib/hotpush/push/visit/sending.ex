defmodule Hotpush.Push.Visit.Sending do
  @moduledoc "The phases `stage`, `commit` and `read_back` of a visit: brings the code to the device and loads it."

  import Hotpush.Push.Stopwatch, only: [timed: 1]
  import Hotpush.Push.Visit.State

  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.Requests
  alias Hotpush.Push.{Packing, Visit}
  alias Hotpush.Report.{LostAnswer, Result}

  @doc """
  Sends the code to the device, which changes nothing there yet. Code that fits into one message travels
  with `commit/1`, unless the two have to be apart.
  """
  @spec stage(Visit.t()) :: Visit.t()
  def stage(%{result: %{plan: plan}} = visit) do
    case Packing.run(visit, plan) do
      {:ok, packed} ->
        work = Packing.work(visit, plan, packed)
        visit.progress.({:loading, visit.target.name, Steps.progress(plan.steps)})
        staged(%{visit | packed: packed, work: work})

      {:error, errors} ->
        over(%{visit | result: Enum.reduce(errors, visit.result, &Result.failed(&2, &1))})
    end
  end

  defp staged(visit) do
    stage = fn -> Requests.stage(visit.session, visit.work, visit.apart?, visit.progress) end

    case timed(stage) do
      {{:ok, staged, session}, ms} ->
        add_ms(%{visit | session: session, staged: staged}, :send, ms)

      {{:error, error, session}, ms} ->
        %{visit | session: session} |> add_ms(:send, ms) |> failed(error)
    end
  end

  @doc """
  The device carries out the steps. With `{:again, visit}`, it did nothing, because it no longer runs what
  the plan was made for; the second time, this is a refusal.
  """
  @spec commit(Visit.t()) :: Visit.t() | {:again, Visit.t()}
  def commit(visit) do
    case timed(fn -> Requests.commit(visit.session, visit.staged, visit.work) end) do
      {{:ok, {:refused, :changed}, session}, ms} when not visit.again? ->
        {:again, add_ms(%{visit | session: session, again?: true}, :send, ms)}

      {{:ok, answer, session}, ms} ->
        add_ms(%{visit | session: session, answer: answer}, :send, ms)

      {{:error, error, %{committed?: true} = session}, ms} ->
        lost = %LostAnswer{error: error, packed: visit.packed, purge: visit.work.purge}
        visit = %{visit | session: session, result: %{visit.result | lost: lost}}
        visit |> add_ms(:send, ms) |> over()

      {{:error, error, session}, ms} ->
        %{visit | session: session} |> add_ms(:send, ms) |> failed(error)
    end
  end

  @doc "Compares what the device then runs. The time that it needed for loading is reported apart from sending."
  @spec read_back(Visit.t()) :: Visit.t()
  def read_back(visit) do
    result = Result.read_back(visit.result, visit.answer, visit.packed)
    add_ms(%{visit | result: result}, :send, -Map.get(result.ms, :load, 0))
  end
end
