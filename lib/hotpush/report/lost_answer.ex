defmodule Hotpush.Report.LostAnswer do
  @moduledoc """
  What became of a device whose answer to a push was lost: judged by what it says it runs when it
  is asked again, or unknown where it cannot be asked. Pure.
  """

  alias Hotpush.Error
  alias Hotpush.Protocol.Device
  alias Hotpush.Report.Result

  defstruct [:error, :packed, :purge]

  @typedoc "Why there was no answer, what was sent (by name), and what `--purge` was."
  @type t :: %__MODULE__{error: Error.t(), packed: map(), purge: :soft | :kill}

  @doc "Compares what the device runs now with the plan. Only what it runs counts as deployed."
  @spec seen(Result.t(), t(), Device.t()) :: Result.t()
  def seen(outcome, lost, device) do
    plan = outcome.plan
    {runs, not_loaded} = Enum.split_with(plan.load, &runs?(device, &1, lost.packed[&1.module]))
    {gone, still} = Enum.split_with(plan.remove, &gone?(device.modules[&1.module], &1))
    {added, loaded} = Enum.split_with(runs, &(&1.reason == :new))
    failures = failures(outcome, lost, device, {runs ++ gone, not_loaded, still})

    %{
      outcome
      | status: if(failures == [], do: :done, else: :failed),
        loaded: Enum.map(loaded, & &1.module),
        added: Enum.map(added, & &1.module),
        deleted: Enum.map(gone, & &1.module),
        failures: failures,
        notices: outcome.notices ++ notices(failures, plan, lost, device)
    }
  end

  # The device answers the beginnings of digests.
  defp runs?(device, action, packed) do
    case device.modules[action.module] do
      %{loaded?: true, removed?: false, md5: md5, stamp: stamp} ->
        md5 != "" and stamp != "" and String.starts_with?(packed.md5, md5) and
          String.starts_with?(packed.digest, stamp)

      _ ->
        false
    end
  end

  defp gone?(nil, _action), do: true
  defp gone?(module, action), do: module.removed? or (action.restore? and module.stamp == "")

  defp failures(outcome, _lost, _device, {_, [], []}), do: outcome.failures

  defp failures(outcome, lost, device, {seen, not_loaded, still}) do
    name = outcome.target.name

    why =
      if device.boot == outcome.device.boot,
        do: lost.error,
        else: Error.new(:load, name, :restarted)

    # Where nothing was done, the reason says all.
    each =
      if seen == [],
        do: [],
        else:
          Enum.map(not_loaded, &Error.new(:load, &1.module, {:not_loaded, :unanswered})) ++
            Enum.map(still, &Error.new(:load, &1.module, :still_there))

    outcome.failures ++ [why | each]
  end

  defp notices([], plan, lost, device) do
    names = MapSet.new(plan.load ++ plan.remove, & &1.module)
    held = Enum.filter(device.old, fn {_, _, module} -> module in names end)
    running = if held == [], do: [], else: [{:still_running, held}]
    [{:answer_lost, length(plan.load), lost.purge} | running]
  end

  defp notices(_failures, _plan, _lost, _device), do: []

  @doc "Nobody could be asked; `why` is the reason for that."
  @spec unknown(Result.t(), t(), Error.t()) :: Result.t()
  def unknown(outcome, lost, why) do
    error = Error.new(:load, outcome.target.name, {:unknown, lost.error.reason, why})
    %{outcome | status: :unknown, failures: outcome.failures ++ [error]}
  end
end
