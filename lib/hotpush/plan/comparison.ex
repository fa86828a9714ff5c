defmodule Hotpush.Plan.Comparison do
  @moduledoc "Compares the project's modules with the device's: which of them to load. Pure."

  alias Hotpush.Config
  alias Hotpush.Plan.{Action, BuildTarget, ModuleFilter}
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  defstruct load: [], dev: [], skipped: [], kept: [], checked: 0

  @typedoc """
    * `:load` - the modules to load, by name
    * `:dev` - modules of development dependencies that differ, and are not loaded
    * `:skipped` - modules that `--all` leaves out: they do not differ, and have native code loaded
    * `:kept` - modules from which the device knows its target, and which it keeps
    * `:checked` - how many modules were compared
  """
  @type t :: %__MODULE__{
          load: [Action.t()],
          dev: [Action.t()],
          skipped: [Action.t()],
          kept: [Action.t()],
          checked: non_neg_integer()
        }

  @doc "Compares. `diff` is for the whole inventory; `scope` is what the options select from it."
  @spec of(Inventory.t(), Device.t(), Hotpush.Scanner.diff(), ModuleFilter.t(), Config.t()) :: t()
  def of(inventory, device, diff, scope, config) do
    {changes, dev} = changes(inventory, diff, scope)
    {forced, skipped} = forced(config, inventory, device, diff, scope)
    {kept, load} = kept_back(changes ++ forced, inventory, device)
    counted = Enum.count(inventory.beams, fn {_, beam} -> counted?(beam, device, scope) end)

    %__MODULE__{
      load: Enum.sort_by(load, & &1.module),
      dev: dev,
      skipped: skipped,
      kept: kept,
      checked: counted - length(kept)
    }
  end

  defp changes(inventory, diff, scope) do
    diff.changed
    |> Enum.map(fn {name, reason} ->
      action(Map.fetch!(inventory.beams, name), reason(reason, inventory))
    end)
    |> Enum.filter(&(ModuleFilter.includes?(scope, &1.module) and wanted?(&1)))
    |> Enum.split_with(&(&1.beam.kind != :dev))
  end

  # If docs are pushed too, one digest covers both.
  defp reason(:lines, %{docs?: true}), do: :lines_or_docs
  defp reason(reason, _inventory), do: reason

  # Protocols of Elixir are only replaced, never added. A development dependency that the device does
  # not have is not pushed to it.
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
    # Loading a module again that has native code loaded would only fail.
    |> Enum.split_with(&(&1.module not in device.nifs))
  end

  defp kept_back(actions, inventory, device) do
    if BuildTarget.differs?(inventory, device),
      do: Enum.split_with(actions, &BuildTarget.answerer?/1),
      else: {[], actions}
  end
end
