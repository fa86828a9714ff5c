defmodule Hotpush.Plan.Refusals do
  @moduledoc """
  Decides what Hotpush refuses to do to a device, for whatever reason: here, what concerns the device as a
  whole, and for each step, its kind (`c:Hotpush.Plan.Step.refusals/3`). Pure.
  """

  alias Hotpush.{Config, Error, Plan}
  alias Hotpush.Plan.{BuildTarget, Step, Steps}
  alias Hotpush.Protocol.Device

  @doc "The refusals. With `--force`, those that can be overridden are left out."
  @spec of(String.t(), Plan.t(), Step.input(), map()) :: [Error.t()]
  def of(name, plan, input, host),
    do: for(reason <- reasons(plan, input, host), do: Error.new(:refusal, name, reason))

  # All other checks need Elixir on the device.
  defp reasons(_plan, %{device: %{elixir: nil}}, _host), do: [:no_elixir]

  defp reasons(plan, %{inventory: inventory, device: device, config: config} = input, host) do
    steps = Steps.refusals(input, plan.steps)
    firm = versions(device, host) ++ steps.firm ++ held(plan, device, config)

    forcible =
      elixir(device, host) ++
        project(inventory, device) ++ target(inventory, device) ++ steps.forcible

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
end
