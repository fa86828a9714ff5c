defmodule Hotpush.Push.Visit.Planning do
  @moduledoc "The phase `plan` of a visit. `Hotpush.Plan` decides; a dry run ends here."

  import Hotpush.Push.Stopwatch, only: [timed: 1]
  import Hotpush.Push.Visit.State

  alias Hotpush.Plan
  alias Hotpush.Plan.Steps
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Requests
  alias Hotpush.Push.Visit
  alias Hotpush.Report.Result

  @doc "Makes the plan. The visit is over if there is nothing to do, or if it is refused."
  @spec plan(Visit.t()) :: Visit.t()
  def plan(%{scanned: {inventory, scope}, diff: diff} = visit) do
    inventory = Inventory.dispatching(inventory, Enum.map(diff.changed, &elem(&1, 0)))
    %{config: config, result: %{device: device}} = visit
    plan = Plan.build(visit.target.name, inventory, device, diff, scope, config, host())
    visit = %{visit | result: Result.planned(visit.result, plan)}

    cond do
      config.dry_run? and plan.refusals == [] -> dry(visit, plan)
      plan.refusals != [] or Plan.empty?(plan) -> over(visit)
      true -> visit
    end
  end

  defp host, do: %{otp: to_string(:erlang.system_info(:otp_release)), elixir: System.version()}

  # In a push, the device refuses to remove modules that are still needed; a dry run has to ask.
  defp dry(visit, plan) do
    visit = over(%{visit | result: %{visit.result | status: :planned}})

    case if(visit.config.force?, do: [], else: Steps.removes(plan.steps)) do
      [] -> visit
      names -> lived_by(visit, names)
    end
  end

  defp lived_by(visit, names) do
    case timed(fn -> Requests.lives(visit.session, names, visit.config.who) end) do
      {{:ok, living, session}, ms} ->
        result = Result.lived_by(visit.result, living)
        add_ms(%{visit | session: session, result: result}, :ask, ms)

      {{:error, error, session}, _ms} ->
        failed(%{visit | session: session}, error)
    end
  end
end
