defmodule Hotpush.Plan.Refusals do
  @moduledoc "Decides what Hotpush refuses to do to a device. Pure."

  alias Hotpush.{Config, Error, Plan}
  alias Hotpush.Plan.{BuildTarget, Steps}
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  @doc "The refusals. With `--force`, those that can be overridden are left out."
  @spec of(String.t(), Plan.t(), Inventory.t(), Device.t(), Config.t(), map()) :: [Error.t()]
  def of(name, plan, inventory, device, config, host) do
    reasons = reasons(plan, inventory, device, config, host)
    Enum.map(reasons, &Error.new(:refusal, name, &1))
  end

  # All other checks need Elixir on the device.
  defp reasons(_plan, _inventory, %{elixir: nil}, _config, _host), do: [:no_elixir]

  defp reasons(plan, inventory, device, config, host) do
    firm = versions(device, host) ++ plain(plan, inventory, device) ++ held(plan, device, config)

    forcible =
      elixir(device, host) ++
        project(inventory, device) ++
        target(inventory, device) ++
        taken(plan, device) ++
        protocols(plan, inventory, device) ++
        gains(plan, inventory, device) ++ nifs(plan, device)

    if config.force?, do: firm, else: decisive(firm ++ forcible)
  end

  # On another project's device, all other refusals would only follow from this one.
  defp decisive(reasons) do
    case Enum.find(reasons, &match?({:other_project, _, _}, &1)) do
      nil -> reasons
      other -> [other]
    end
  end

  defp versions(device, host) do
    if major(device.otp) < major(host.otp), do: [{:otp_older, host.otp, device.otp}], else: []
  end

  defp major(otp), do: otp |> Integer.parse() |> elem(0)

  defp elixir(device, host) do
    if minor(device.elixir) == minor(host.elixir),
      do: [],
      else: [{:elixir_differs, host.elixir, device.elixir}]
  end

  defp minor(version), do: version |> String.split(".") |> Enum.take(2)

  defp project(inventory, device) do
    own = for app <- inventory.apps, app.kind == :own, do: to_string(app.name)

    if Enum.any?(own, &has?(device, &1)) do
      []
    else
      [{:other_project, own, for({name, %{running?: true}} <- device.apps, do: name)}]
    end
  end

  defp has?(device, app) do
    match?(%{known?: true}, device.apps[app]) or
      Enum.any?(device.modules, fn {_, module} -> module.app == app end)
  end

  defp target(inventory, device) do
    if BuildTarget.differs?(inventory, device),
      do: [{:target_differs, inventory.target, built_for(device)}],
      else: []
  end

  defp built_for(%{target: target, platform: platform}) when target in [nil, "host"],
    do: platform || target

  defp built_for(%{target: target}), do: target

  # The device was asked by name about modules outside of the project's applications. If it has one, it
  # belongs to Elixir or OTP, and everything there uses it. A project replaces only their consolidated
  # protocols.
  defp taken(plan, device) do
    case for(
           %{beam: %{kind: kind}, module: name} <- plan.load,
           kind != :elixir,
           match?(%{app: ""}, device.modules[name]),
           do: name
         ) do
      [] -> []
      names -> [{:name_taken, names}]
    end
  end

  # A consolidated protocol has a fixed list of implementations. If the device dispatches to one and
  # keeps its module, the list here must have it too, or calls that worked would raise.
  defp protocols(plan, inventory, device) do
    pushed = MapSet.new(plan.load, & &1.module)
    removed = MapSet.new(plan.remove, & &1.module)

    for {protocol, types} <- device.impls,
        MapSet.member?(pushed, protocol),
        lost = Enum.filter(types, &lost?(implementation(protocol, &1), inventory, removed)),
        lost != [],
        do: {:protocol_loses, protocol, Enum.map(lost, &implementation(protocol, &1))}
  end

  # Unless the project turns consolidation off, Mix has only not written the consolidated form yet.
  defp plain(plan, %{consolidate?: true}, device) do
    consolidated = Map.new(device.impls)

    case for(a <- plan.load, consolidated[a.module], not a.beam.consolidated?, do: a.module) do
      [] -> []
      protocols -> [{:not_consolidated, protocols}]
    end
  end

  defp plain(_plan, _inventory, _device), do: []

  defp implementation(protocol, "Elixir." <> type), do: protocol <> "." <> type
  defp implementation(protocol, type), do: protocol <> "." <> type

  defp lost?(module, inventory, removed) do
    not (Map.has_key?(inventory.beams, module) or MapSet.member?(removed, module) or
           MapSet.member?(inventory.system, module))
  end

  # The other way round: a new implementation must be on the device, or be part of this push.
  defp gains(plan, inventory, device) do
    there = MapSet.new(for {name, %{removed?: false}} <- device.modules, do: name)
    pushed = MapSet.new(plan.load, & &1.module)
    removed = MapSet.new(plan.remove, & &1.module)
    runs = pushed |> MapSet.union(there) |> MapSet.difference(removed)
    dispatched = Map.new(device.impls)

    for %{module: protocol} <- plan.load,
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

  defp held(_plan, _device, %Config{purge: :kill}), do: []

  defp held(plan, device, _config) do
    case holders(plan, device) do
      [] -> []
      held -> [{:held, held}]
    end
  end

  @doc "The processes that the plan would end: those that run old code of a module that it touches."
  @spec holders(Plan.t(), Device.t()) :: [{String.t(), String.t(), String.t()}]
  def holders(plan, device) do
    touched = MapSet.new(Steps.touches(plan.steps))
    for {_, _, module} = holder <- device.old, MapSet.member?(touched, module), do: holder
  end

  defp nifs(plan, device) do
    case for(action <- plan.load, action.module in device.nifs, do: action.module) do
      [] -> []
      modules -> [{:nif_loaded, modules}]
    end
  end
end
