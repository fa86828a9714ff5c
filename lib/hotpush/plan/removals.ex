defmodule Hotpush.Plan.Removals do
  @moduledoc """
  What a device has and the project no longer has. Pure.

  Never by a narrowed view, and never from a build for something else.
  """

  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device
  alias Hotpush.Plan.{Action, BuildTarget}

  @doc """
  The modules to remove: those of the project's applications on the device, by their .app files
  there or by an earlier push, and those that a push brought there of an application that neither
  the project nor the device's firmware has. Where one has the name of a module of Elixir's or
  Erlang/OTP's, the device gets its own back.
  """
  @spec of(Inventory.t(), Device.t(), Hotpush.Scanner.diff(), ModuleFilter.t()) :: [Action.t()]
  def of(inventory, device, diff, scope) do
    if of_all?(inventory, device, scope) do
      ours =
        for app <- inventory.apps,
            app.kind != :dev,
            into: %{},
            do: {to_string(app.name), app.name}

      for name <- diff.gone,
          not MapSet.member?(inventory.broken, name),
          not firmwares_way?(name, inventory, device),
          module = device.modules[name],
          # What the device calls an application becomes no atom here.
          app = ours[module.app] || (brought?(module, inventory, device) && :hotpush),
          do: %Action{
            module: name,
            app: app,
            reason: :gone,
            restore?: MapSet.member?(inventory.platform, name)
          }
    else
      []
    end
  end

  # A way to find devices is pushed nowhere. Where an earlier push brought it, it goes; what the
  # firmware has of it does no harm there.
  defp firmwares_way?(name, inventory, device),
    do: MapSet.member?(inventory.ways, name) and device.modules[name].stamp == ""

  defp of_all?(inventory, device, scope),
    do: scope == :all and not BuildTarget.differs?(inventory, device)

  defp brought?(%{stamp: "", removed?: false}, _inventory, _device), do: false

  defp brought?(%{app: app}, inventory, device) do
    inventory.known != nil and not MapSet.member?(inventory.known, app) and
      not Map.has_key?(device.apps, app) and app not in device.others
  end

  @doc "What is left on the device of applications that the project no longer has."
  @spec notices(Inventory.t(), Device.t(), ModuleFilter.t()) :: [{:left_apps, [String.t()]}]
  def notices(%{known: %MapSet{} = known} = inventory, device, scope) do
    left = Enum.reject(device.others, &MapSet.member?(known, &1))
    own = for app <- inventory.apps, app.kind == :own, do: device.apps[to_string(app.name)]

    if left != [] and of_all?(inventory, device, scope) and
         Enum.any?(own, &match?(%{known?: true}, &1)),
       do: [{:left_apps, left}],
       else: []
  end

  def notices(_inventory, _device, _scope), do: []
end
