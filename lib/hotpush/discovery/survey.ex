defmodule Hotpush.Discovery.Survey do
  @moduledoc """
  Asks devices what they run, all at once, until a deadline. Work that hangs is ended, wherever it hangs.
  Devices may join while others are being asked.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Error
  alias Hotpush.Push.{Engine, Visit}
  alias Hotpush.Report.Result

  @enforce_keys [:engine, :timeout]
  defstruct [:engine, :timeout]

  @opaque t :: %__MODULE__{}

  # A visit ends this much earlier, so that its result arrives even on a busy host.
  @spare_ms 250
  @doc "A result per target, in their order, within `timeout` ms. See `start/3`."
  @spec ask(Visit.t(), [Target.t()], pos_integer()) :: [Result.t()]
  def ask(visit, targets, timeout), do: visit |> start(targets, timeout) |> results()

  @doc """
  Starts to ask. Everything ends after `timeout` ms. The visits are those of a dry run.

  The caller must take the `results/1`.
  """
  @spec start(Visit.t(), [Target.t()], pos_integer()) :: t()
  def start(%Visit{config: config} = visit, targets, timeout) do
    visit = %{visit | config: %{config | dry_run?: true, json: nil}}
    deadline = now() + timeout
    work = fn asked, prepared, _reach -> visit(visit, deadline, asked, prepared) end
    # Those that hang must not keep others waiting.
    engine = Engine.start(targets, work, deadline: timeout, at_once: :infinity)
    %__MODULE__{engine: engine, timeout: config.timeout}
  end

  @doc "Asks more devices, in the time that is left."
  @spec add(t(), [Target.t()]) :: :ok
  def add(%__MODULE__{} = survey, targets), do: Engine.add(survey.engine, targets)

  @doc "A result per target, in the order in which they joined."
  @spec results(t()) :: [Result.t()]
  def results(%__MODULE__{} = survey) do
    for {target, result} <- Engine.results(survey.engine) do
      case result do
        {:ok, result} -> timed_out(result, survey.timeout)
        {:error, error} -> failed(target, error)
        :late -> failed(target, Error.new(:connect, target.name, {:timeout, survey.timeout}))
      end
    end
  end

  # Its time is what is left of the whole time.
  defp visit(visit, deadline, _asked, {:ok, target}) do
    left = deadline - now()
    timeout = max(left - min(@spare_ms, div(left, 8)), 1)
    Visit.run(%{visit | config: %{visit.config | timeout: timeout}}, target)
  end

  defp visit(_visit, _deadline, asked, {:error, error}), do: failed(asked, error)

  defp failed(target, error), do: Result.failed(%Result{target: target}, error)

  # The message names the time that the user chose, not what was left for this device.
  defp timed_out(result, timeout) do
    failures =
      for error <- result.failures do
        if match?({:timeout, _}, error.reason),
          do: %{error | reason: {:timeout, timeout}},
          else: error
      end

    %{result | failures: failures}
  end

  defp now, do: System.monotonic_time(:millisecond)
end
