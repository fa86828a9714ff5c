defmodule Hotpush.Plan.Protocols do
  @moduledoc """
  What speaks against loading consolidated protocols: a consolidated protocol has a fixed list of
  implementations. Pure.
  """

  alias Hotpush.Plan.Action
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  @doc """
  Protocols that are not consolidated here, but are on the device. Unless the project turns consolidation
  off, Mix has only not written the consolidated form yet.
  """
  @spec plain([Action.t()], Inventory.t(), Device.t()) :: [{:not_consolidated, [String.t()]}]
  def plain(load, %{consolidate?: true}, device) do
    consolidated = Map.new(device.impls)

    case for(a <- load, consolidated[a.module], not a.beam.consolidated?, do: a.module) do
      [] -> []
      protocols -> [{:not_consolidated, protocols}]
    end
  end

  def plain(_load, _inventory, _device), do: []

  @doc """
  Protocols that would lose implementations. If the device dispatches to one and keeps its module (it is
  not among the `removed`), the list here must have it too, or calls that worked would raise.
  """
  @spec loses([Action.t()], [String.t()], Inventory.t(), Device.t()) ::
          [{:protocol_loses, String.t(), [String.t()]}]
  def loses(load, removed, inventory, device) do
    pushed = MapSet.new(load, & &1.module)

    for {protocol, types} <- device.impls,
        MapSet.member?(pushed, protocol),
        lost = Enum.filter(types, &lost?(implementation(protocol, &1), inventory, removed)),
        lost != [],
        do: {:protocol_loses, protocol, Enum.map(lost, &implementation(protocol, &1))}
  end

  defp implementation(protocol, "Elixir." <> type), do: protocol <> "." <> type
  defp implementation(protocol, type), do: protocol <> "." <> type

  defp lost?(module, inventory, removed) do
    not (Map.has_key?(inventory.beams, module) or module in removed or
           MapSet.member?(inventory.system, module))
  end

  @doc "Protocols that gain an implementation that is neither on the device nor part of this push."
  @spec gains([Action.t()], [String.t()], Inventory.t(), Device.t()) ::
          [{:protocol_gains, String.t(), [String.t()]}]
  def gains(load, removed, inventory, device) do
    there = for {name, %{removed?: false}} <- device.modules, do: name
    pushed = Enum.map(load, & &1.module)
    runs = MapSet.difference(MapSet.new(pushed ++ there), MapSet.new(removed))
    dispatched = Map.new(device.impls)

    for protocol <- pushed,
        had = Enum.map(dispatched[protocol] || [], &implementation(protocol, &1)),
        gained = Map.get(inventory.dispatched, protocol, []) -- had,
        lacking = Enum.filter(gained, &lacking?(&1, protocol, inventory, runs)),
        lacking != [],
        do: {:protocol_gains, protocol, lacking}
  end

  # Only implementations of the project, or of its applications that the options left out, matter. Those
  # of Elixir and of this build's tools are for no value on the device, and neither is one whose struct
  # the device does not have.
  defp lacking?(module, protocol, inventory, runs) do
    type = "Elixir" <> String.replace_prefix(module, protocol, "")

    not MapSet.member?(runs, module) and
      (MapSet.member?(inventory.siblings, module) or
         (Map.has_key?(inventory.beams, module) and
            (not Map.has_key?(inventory.beams, type) or MapSet.member?(runs, type))))
  end
end
