defmodule Hotpush.Plan do
  @moduledoc "What has to happen on one device, in order, and what speaks against it. Pure."

  alias Hotpush.{Config, Error}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device
  alias Hotpush.Plan.{Action, Comparison, Refusals, Removals, Step, Steps}

  defstruct steps: [],
            load: [],
            remove: [],
            unchanged: 0,
            checked: 0,
            refusals: [],
            problems: [],
            notices: []

  @typedoc """
  `:steps` is what has to be done, in order: see `Hotpush.Plan.Steps`. `:load` and `:remove` are the
  modules of those steps, for whoever reads a plan.
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

  @typedoc "Loaded (or to be loaded), but not wholly in effect, and why; and whom it ends, or would end."
  @type notice ::
          {:new_app, String.t()}
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

  @doc """
  Builds the plan. `diff` is what the scanner's `diff` says of the whole inventory and
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
    plan = input |> Map.put(:comparison, comparison) |> Steps.plan() |> new()

    notices =
      notices(comparison, device) ++
        Removals.notices(inventory, device, scope) ++
        target_kept(comparison.kept) ++ would_kill(plan, device, config)

    plan = %{
      plan
      | checked: comparison.checked,
        unchanged: comparison.checked - length(plan.load),
        problems: inventory.problems,
        notices: notices
    }

    %{plan | refusals: Refusals.of(name, plan, inventory, device, config, host)}
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

  defp target_kept([]), do: []
  defp target_kept(kept), do: [{:target_kept, kept |> Enum.map(& &1.module) |> Enum.sort()}]

  # Where it is done, the device names those that it ended.
  defp would_kill(plan, device, %Config{purge: :kill, dry_run?: true}) do
    case Refusals.holders(plan, device) do
      [] -> []
      holders -> [{:would_kill, holders}]
    end
  end

  defp would_kill(_plan, _device, _config), do: []

  defp notices(%{load: load, dev: dev, skipped: skipped}, device) do
    new_apps =
      for app <- load |> Enum.map(&to_string(&1.app)) |> Enum.uniq(),
          app != "elixir",
          match?(%{known?: false}, device.apps[app]),
          do: {:new_app, app}

    stale =
      for {app, actions} <- Enum.group_by(dev, &to_string(&1.app)),
          do: {:stale_dev, app, Enum.map(actions, & &1.module)}

    skipped = if skipped == [], do: [], else: [{:nif_skipped, Enum.map(skipped, & &1.module)}]
    new_apps ++ stale ++ skipped
  end
end
