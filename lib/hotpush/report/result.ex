defmodule Hotpush.Report.Result do
  @moduledoc """
  The result of one device.

    * `:status` - `:done` (it runs the code, also if nothing differed), `:planned` (`--dry-run`),
      `:refused`, `:failed`, `:unknown` (the answer was lost, and it cannot be asked: see
      `Hotpush.Report.LostAnswer`)
    * `:loaded`, `:added`, `:deleted` - names of modules that, after the push, the device was seen to
      run, or no longer to run
    * `:device` - its description of itself, if it gave one
    * `:failures` - errors; `:refusals` - errors; `:notices` - see `t:Hotpush.Plan.notice/0`
    * `:ms` - milliseconds by step
    * `:lost` - if the answer is missing: the reason, and what was sent
  """

  alias Hotpush.Report.LostAnswer
  alias Hotpush.{Error, Plan}
  alias Hotpush.Config.Target
  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.Device

  defstruct [
              :target,
              :plan,
              :device,
              status: :failed,
              loaded: [],
              added: [],
              deleted: [],
              unchanged: 0
            ] ++
              [checked: 0, connected?: false, refusals: [], failures: [], notices: []] ++
              [sent: 0, received: 0, round_trips: 0, ms: %{}, lost: nil]

  @type t :: %__MODULE__{
          target: Target.t(),
          plan: Plan.t() | nil,
          device: Device.t() | nil,
          status: :done | :planned | :refused | :failed | :unknown,
          loaded: [String.t()],
          added: [String.t()],
          deleted: [String.t()],
          unchanged: non_neg_integer(),
          checked: non_neg_integer(),
          connected?: boolean(),
          refusals: [Error.t()],
          failures: [Error.t()],
          notices: [Plan.notice()],
          sent: non_neg_integer(),
          received: non_neg_integer(),
          round_trips: non_neg_integer(),
          ms: %{optional(atom()) => float()},
          lost: LostAnswer.t() | nil
        }

  @doc "A result that failed with one error."
  @spec failed(t(), Error.t()) :: t()
  def failed(outcome, error) do
    error = Target.named(outcome.target, error)
    %{outcome | status: :failed, failures: outcome.failures ++ [error]}
  end

  @doc "The result without the modules of the device, which no report shows."
  @spec without_modules(t()) :: t()
  def without_modules(%{device: nil} = outcome), do: outcome

  def without_modules(%{device: device} = outcome),
    do: %{outcome | device: %{device | modules: %{}, files: %{}, parts: %{}}}

  @doc "Adds a plan: refused, nothing to do, or planned."
  @spec planned(t(), Plan.t()) :: t()
  def planned(outcome, plan) do
    %{
      outcome
      | plan: plan,
        unchanged: plan.unchanged,
        checked: plan.checked,
        refusals: plan.refusals,
        failures: plan.problems,
        notices: plan.notices,
        status: status(plan)
    }
  end

  defp status(%{refusals: [_ | _]}), do: :refused
  defp status(%{problems: [_ | _]}), do: :failed
  defp status(_plan), do: :done

  @doc """
  Reads back: compares what the device now says it runs with what was sent (`packed`, by name). Only
  what it then runs counts as deployed.
  """
  @spec read_back(
          t(),
          {:done, map()} | {:refused, term()} | {:busy, String.t(), integer()},
          map()
        ) :: t()
  def read_back(outcome, {:busy, _who, _seconds} = busy, _packed), do: refused(outcome, busy)

  def read_back(outcome, {:refused, why}, _packed) when why in [:silent, :changed],
    do: refused(outcome, why)

  def read_back(outcome, {:refused, {:held, held}}, _), do: refused(outcome, {:held, held})

  def read_back(outcome, {:refused, {kind, list}}, _) do
    refused(outcome, {kind, list})
  end

  def read_back(outcome, {:done, result}, packed) do
    reasons = Map.new(result.failed)
    other = if result.error == :none, do: :other_code, else: {:not_loaded, other(result.error)}
    why = fn name -> (reasons[name] && {:not_loaded, reasons[name]}) || other end
    outcome = done(outcome, Steps.read_back(outcome.plan.steps, result.steps, packed, why))

    %{
      outcome
      | notices:
          outcome.notices ++
            held(:killed, result.killed) ++
            held(:still_running, result.held) ++
            held(:orphaned, result.orphaned) ++
            held(:stays, result.stays) ++ held(:purged, Enum.sort(result.purged)),
        ms: Map.put(outcome.ms, :load, result.microseconds / 1000)
    }
  end

  @doc "Adds the outcome of the steps: done, or failed if there is a failure."
  @spec done(t(), Hotpush.Plan.Step.outcome()) :: t()
  def done(outcome, read_back) do
    outcome = Map.merge(outcome, read_back, fn _field, before, more -> before ++ more end)
    %{outcome | status: if(outcome.failures == [], do: :done, else: :failed)}
  end

  @doc "Adds a device's answer about the removals of a dry run: who needs the modules."
  @spec lived_by(t(), Hotpush.Protocol.Requests.busy() | [Plan.living()]) :: t()
  def lived_by(outcome, []), do: outcome
  def lived_by(outcome, {:busy, _who, _seconds} = busy), do: refused(outcome, busy)
  def lived_by(outcome, living), do: refused(outcome, {:lived_by, living})

  defp other(:late), do: :late
  defp other(_error), do: :batch

  defp refused(outcome, reason) do
    error = Error.new(:refusal, outcome.target.name, reason)
    %{outcome | status: :refused, refusals: outcome.refusals ++ [error]}
  end

  defp held(_kind, []), do: []
  defp held(kind, list), do: [{kind, list}]
end
