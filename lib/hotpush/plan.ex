defmodule Hotpush.Plan do
  @moduledoc "What has to happen on one device, in order, and what speaks against it. Pure."

  alias Hotpush.{Config, Error}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device
  alias Hotpush.Plan.{Action, Refusals, Removals}

  defstruct load: [],
            remove: [],
            unchanged: 0,
            checked: 0,
            refusals: [],
            problems: [],
            notices: []

  @type t :: %__MODULE__{
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
    {changes, dev} = changes(inventory, diff, scope)
    {forced, skipped} = forced(config, inventory, device, diff, scope)
    {kept, load} = kept_back(changes ++ forced, inventory, device)
    load = Enum.sort_by(load, & &1.module)
    counted = Enum.count(inventory.beams, fn {_, beam} -> counted?(beam, device, scope) end)
    checked = counted - length(kept)

    plan = %__MODULE__{
      load: load,
      remove: Removals.of(inventory, device, diff, scope),
      checked: checked,
      unchanged: checked - length(load),
      problems: inventory.problems,
      notices: notices(load, dev, skipped, device) ++ Removals.notices(inventory, device, scope)
    }

    plan = %{
      plan
      | notices: plan.notices ++ target_kept(kept) ++ would_kill(plan, device, config)
    }

    %{plan | refusals: Refusals.of(name, plan, inventory, device, config, host)}
  end

  @doc "Whether there is anything to do."
  @spec empty?(t()) :: boolean()
  def empty?(%__MODULE__{load: load, remove: remove}), do: load == [] and remove == []

  defp changes(inventory, diff, scope) do
    diff.changed
    |> Enum.map(fn {name, reason} ->
      action(Map.fetch!(inventory.beams, name), reason(reason, inventory))
    end)
    |> Enum.filter(&(ModuleFilter.includes?(scope, &1.module) and wanted?(&1)))
    |> Enum.split_with(&(&1.beam.kind != :dev))
  end

  # One digest is of both, where docs are pushed along.
  defp reason(:lines, %{docs?: true}), do: :lines_or_docs
  defp reason(reason, _inventory), do: reason

  # An Erlang or Elixir protocol is only ever refreshed; a development dependency that the device
  # does not have is none of its business.
  defp wanted?(%Action{reason: :new, beam: %{kind: kind}}) when kind in [:elixir, :dev], do: false
  defp wanted?(_action), do: true

  defp counted?(%{kind: :dev}, _device, _scope), do: false

  defp counted?(%{kind: :elixir} = beam, device, scope),
    do: Map.has_key?(device.modules, beam.module) and ModuleFilter.includes?(scope, beam.module)

  defp counted?(beam, _device, scope), do: ModuleFilter.includes?(scope, beam.module)

  defp action(beam, reason) do
    %Action{module: beam.module, app: beam.app, reason: reason, beam: beam}
  end

  defp forced(%Config{all?: false}, _, _, _, _), do: {[], []}

  defp forced(_config, inventory, device, diff, scope) do
    changed = MapSet.new(diff.changed, &elem(&1, 0))

    inventory.beams
    |> Map.values()
    |> Enum.filter(&(counted?(&1, device, scope) and not MapSet.member?(changed, &1.module)))
    |> Enum.map(&action(&1, :forced))
    # What has native code loaded and does not differ would only fail.
    |> Enum.split_with(&(&1.module not in device.nifs))
  end

  defp kept_back(actions, inventory, device) do
    if Refusals.target_differs?(inventory, device),
      do: Enum.split_with(actions, &Refusals.answerer?/1),
      else: {[], actions}
  end

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

  defp notices(load, dev, skipped, device) do
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
