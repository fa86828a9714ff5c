defmodule Hotpush.Plan do
  @moduledoc "What a push does on one device: its steps in order, refusals and notices. Pure."

  alias Hotpush.{Config, Error}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Device, LastPush}
  alias Hotpush.Plan.{Action, Comparison, Refusals, Step, Steps}

  defstruct steps: [],
            load: [],
            remove: [],
            unchanged: 0,
            checked: 0,
            refusals: [],
            problems: [],
            notices: []

  @typedoc """
  `:steps` are the steps, in order: see `Hotpush.Plan.Steps`. `:load` and `:remove` are the modules of
  those steps, for readers of a plan.
  """
  @type t :: %__MODULE__{
          steps: [Step.t()],
          load: [Action.t()],
          remove: [Action.t()],
          unchanged: non_neg_integer(),
          checked: non_neg_integer(),
          refusals: [Error.t()],
          problems: [Error.t()],
          notices: [notice()]
        }

  @typedoc "A process or handler on the device that needs a module, and its supervisor."
  @type living ::
          {pid :: String.t(), who :: String.t(), module :: String.t(), supervisor :: String.t()}

  @typedoc "What else to report: why loaded code is not yet in effect, which processes end, and so on."
  @type notice ::
          {:new_app, String.t()}
          | {:start_not_run, [String.t()]}
          | {:stale_dev, String.t(), [String.t()]}
          | {:still_running, [{String.t(), String.t(), String.t()}]}
          | {:killed, [{String.t(), String.t(), String.t()}]}
          | {:would_kill, [{String.t(), String.t(), String.t()}]}
          | {:nif_skipped, [String.t()]}
          | {:target_kept, [String.t()]}
          | {:left_apps, [String.t()]}
          | {:restored, [String.t()]}
          | {:orphaned, [{String.t(), String.t(), String.t(), String.t(), [String.t()]}]}
          | {:answer_lost, non_neg_integer(), :soft | :kill}
          | {:stays, [{String.t(), term()}]}
          | {:purged, [String.t()]}
          | {:last_push, LastPush.t(), same_person? :: boolean()}
          | {:not_noted, []}

  @doc """
  Builds the plan. `diff` is the result of the scanner's `diff` for the whole inventory and
  `Hotpush.Protocol.Device.answers/1`; `host` is `%{otp: _, elixir: _}`.
  """
  @spec build(
          String.t(),
          Inventory.t(),
          Device.t(),
          Hotpush.Scanner.diff(),
          ModuleFilter.t(),
          Config.t(),
          map()
        ) ::
          t()
  def build(name, inventory, device, diff, scope, config, host) do
    comparison = Comparison.of(inventory, device, diff, scope, config)
    input = %{inventory: inventory, device: device, diff: diff, scope: scope, config: config}
    input = Map.put(input, :comparison, comparison)
    plan = input |> Steps.plan() |> new()

    plan = %{
      plan
      | checked: comparison.checked,
        unchanged: comparison.checked - length(plan.load),
        problems: inventory.problems,
        notices: Steps.notices(input, plan.steps) ++ would_kill(plan, device, config)
    }

    %{plan | refusals: Refusals.of(name, plan, input, host)}
  end

  @doc "A plan of these steps."
  @spec new([Step.t()]) :: t()
  def new(steps) do
    %__MODULE__{
      steps: steps,
      load: for(%Step.Load{modules: modules} <- steps, action <- modules, do: action),
      remove: for(%Step.Remove{modules: modules} <- steps, action <- modules, do: action)
    }
  end

  @doc "Whether there is anything to do."
  @spec empty?(t()) :: boolean()
  def empty?(%__MODULE__{steps: steps}), do: Steps.changes(steps) == 0

  # If the push is carried out, the device names the processes that it ended.
  defp would_kill(plan, device, %Config{purge: :kill, dry_run?: true}) do
    case Refusals.holders(plan, device) do
      [] -> []
      holders -> [{:would_kill, holders}]
    end
  end

  defp would_kill(_plan, _device, _config), do: []
end
