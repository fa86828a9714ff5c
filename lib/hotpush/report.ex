defmodule Hotpush.Report do
  @moduledoc "The result of a run, for all devices. Pure."

  alias Hotpush.{Config, Error}
  alias Hotpush.Report.Result

  defstruct [:outcomes, :verbosity, :dry_run?, ms: %{}]

  @type t :: %__MODULE__{
          outcomes: [Result.t()],
          verbosity: :quiet | :normal | :verbose,
          dry_run?: boolean(),
          ms: %{optional(atom()) => float()}
        }

  @doc """
  Makes a report from the results of all devices.

  `ms` has the times that all devices share: `:start`, `:compile`, `:scan`, and `:total`, the whole
  time that the user waited.
  """
  @spec new(Config.t(), [Result.t()], %{optional(atom()) => float()}) :: t()
  def new(config, outcomes, ms) do
    %__MODULE__{
      outcomes: Enum.map(outcomes, &without_notices/1),
      verbosity: config.verbosity,
      dry_run?: config.dry_run?,
      ms: ms
    }
  end

  # Notices describe what was loaded or would be loaded.
  defp without_notices(%Result{status: :refused} = outcome), do: %{outcome | notices: []}
  defp without_notices(outcome), do: outcome

  @phases [:start, :compile, :scan, :connect, :ask, :send, :load]

  @doc """
  Returns the time of each phase of a device in milliseconds, in order, without the phases that did
  not happen.

  `:start` is the time from the start of Mix to the start of the command, including the dependencies
  that Mix compiles first. `:rest` is the time that is missing from the total: for plans, for other
  devices, and at the end.
  """
  @spec ms(t(), Result.t()) :: [{atom(), float()}]
  def ms(report, outcome) do
    known = Map.merge(report.ms, outcome.ms, fn _phase, shared, own -> shared + own end)
    phases = for phase <- @phases, ms = known[phase], do: {phase, ms}
    sum = phases |> Keyword.values() |> Enum.sum()
    phases ++ [rest: max(Map.get(known, :total, sum) - sum, 0.0)]
  end

  @doc """
  Returns the exit status of a report or an error.

  For a report, 0 if every device runs the code (or would run it, with `--dry-run`), otherwise 1. For
  an error, the status of the compiler if the project does not compile, otherwise 2.
  """
  @spec exit_status(t() | Error.t()) :: non_neg_integer()
  def exit_status(%Error{stage: :compile, reason: {:compile, status}}) when status in 1..255,
    do: status

  def exit_status(%Error{stage: :compile}), do: 1
  def exit_status(%Error{}), do: 2

  def exit_status(report) do
    good? = &(&1.status in [:done, :planned] and &1.failures == [])
    if Enum.all?(report.outcomes, good?), do: 0, else: 1
  end
end
