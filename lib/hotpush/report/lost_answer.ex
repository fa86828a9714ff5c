defmodule Hotpush.Report.LostAnswer do
  @moduledoc """
  The result of a device whose answer to a push was lost. It depends on what the device says it runs
  when it is asked again; if it cannot be asked, it is unknown. Pure.
  """

  alias Hotpush.Error
  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.Device
  alias Hotpush.Report.Result

  defstruct [:error, :packed, :purge]

  @typedoc "Why there was no answer, what was sent (by name), and what `--purge` was."
  @type t :: %__MODULE__{error: Error.t(), packed: map(), purge: :soft | :kill}

  @doc "Compares what the device now runs with the plan. Only what it runs counts as deployed."
  @spec seen(Result.t(), t(), Device.t()) :: Result.t()
  def seen(outcome, lost, device) do
    steps = outcome.plan.steps
    answers = Steps.observe(steps, device)

    read_back =
      Steps.read_back(steps, answers, lost.packed, fn _ -> {:not_loaded, :unanswered} end)

    outcome = Result.done(outcome, failures(read_back, outcome, lost, device))
    %{outcome | notices: outcome.notices ++ notices(outcome, lost, device)}
  end

  defp failures(%{failures: []} = read_back, _outcome, _lost, _device), do: read_back

  defp failures(read_back, outcome, lost, device) do
    name = outcome.target.name

    why =
      if device.boot == outcome.device.boot,
        do: lost.error,
        else: Error.new(:load, name, :restarted)

    # If nothing was done, the reason says everything.
    done? = Enum.any?([:loaded, :added, :deleted], &(Map.get(read_back, &1, []) != []))
    %{read_back | failures: [why | if(done?, do: read_back.failures, else: [])]}
  end

  defp notices(%{failures: [], plan: plan}, lost, device) do
    names = MapSet.new(Steps.touches(plan.steps))
    held = Enum.filter(device.old, fn {_, _, module} -> module in names end)
    running = if held == [], do: [], else: [{:still_running, held}]
    [{:answer_lost, length(plan.load), lost.purge} | running]
  end

  defp notices(_outcome, _lost, _device), do: []

  @doc "The device could not be asked, because of `why`."
  @spec unknown(Result.t(), t(), Error.t()) :: Result.t()
  def unknown(outcome, lost, why) do
    error = Error.new(:load, outcome.target.name, {:unknown, lost.error.reason, why})
    %{outcome | status: :unknown, failures: outcome.failures ++ [error]}
  end
end
