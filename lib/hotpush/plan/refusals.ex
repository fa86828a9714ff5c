defmodule Hotpush.Plan.Refusals do
  @moduledoc "What we will not do to a device, and why. Pure."

  alias Hotpush.{Config, Error, Plan}
  alias Hotpush.Plan.{BuildTarget, Steps}
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  @doc "The refusals that stand: those that can be forced do not, with `--force`."
  @spec of(String.t(), Plan.t(), Inventory.t(), Device.t(), Config.t(), map()) :: [Error.t()]
  def of(name, plan, inventory, device, config, host) do
    reasons = reasons(plan, inventory, device, config, host)
    Enum.map(reasons, &Error.new(:refusal, name, &1))
  end

  # Everything else takes Elixir for granted.
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

  # On another project's device, whatever else is in the way follows from that.
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

  # The device was asked about modules outside of the project's applications by name: where it has
  # one, it is Elixir's or OTP's, and everything there uses it. Their consolidated protocols are
  # the ones that a project does replace.
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

  # A consolidated protocol knows its implementations for good. One that the device dispatches to,
  # and whose module it keeps, has to be known here too, or calls that worked would raise.
  defp protocols(plan, inventory, device) do
    pushed = MapSet.new(plan.load, & &1.module)
    removed = MapSet.new(plan.remove, & &1.module)

    for {protocol, types} <- device.impls,
        MapSet.member?(pushed, protocol),
        lost = Enum.filter(types, &lost?(implementation(protocol, &1), inventory, removed)),
        lost != [],
        do: {:protocol_loses, protocol, Enum.map(lost, &implementation(protocol, &1))}
  end

  # Unless the project wants plain ones, such a protocol only shows that Mix has not written its
  # consolidated form.
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

  # The other way round: one that it dispatches to from now on has to be there, or to go over.
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

  # What is neither the project's nor of an application of its own that was left out (Elixir's own,
  # tools of this build) is for no value on the device; nor is it, if the struct is not there either.
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

  @doc "The processes that the plan would end: those in old code of a module that it touches."
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
