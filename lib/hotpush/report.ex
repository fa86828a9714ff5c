defmodule Hotpush.Report do
  @moduledoc "What came of a run, over all devices. Pure."

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
  Puts the outcomes together. `ms` has what all devices share: `:start`, `:compile`, `:scan`, and
  `:total`, all that was waited for.
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

  # They are about what is loaded, or would be.
  defp without_notices(%Result{status: :refused} = outcome), do: %{outcome | notices: []}
  defp without_notices(outcome), do: outcome

  @phases [:start, :compile, :scan, :connect, :ask, :send, :load]

  @doc """
  What was waited for, in milliseconds by phase: those that came to pass, in order. `:start` is from
  the start of Mix to that of the command, dependencies that Mix compiles first included; `:rest`,
  what makes all of them the total: plans, other devices, the end.
  """
  @spec ms(t(), Result.t()) :: [{atom(), float()}]
  def ms(report, outcome) do
    known = Map.merge(report.ms, outcome.ms, fn _phase, shared, own -> shared + own end)
    phases = for phase <- @phases, ms = known[phase], do: {phase, ms}
    sum = phases |> Keyword.values() |> Enum.sum()
    phases ++ [rest: max(Map.get(known, :total, sum) - sum, 0.0)]
  end

  @doc """
  0 if every device runs the code (or would, with `--dry-run`), 1 otherwise; of an error, that of
  the compiler, or else 2.
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
