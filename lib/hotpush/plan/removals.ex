defmodule Hotpush.Plan.Removals do
  @moduledoc """
  Finds what a device has and the project no longer has. Pure.

  Nothing is removed if options select some of the modules, or if the build is for another target.
  """

  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device
  alias Hotpush.Plan.{Action, BuildTarget}

  @doc """
  The modules to remove. These are modules of the project's applications (according to the .app files
  on the device or to an earlier push), and modules that came with a push, of an application that
  neither the project nor the device's firmware has. If Elixir or Erlang/OTP has a module of the same
  name, the device runs that one again.
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
          # The device's names of applications do not become atoms here.
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

  # A module that finds devices is never pushed. If an earlier push brought it, it is removed; one in
  # the firmware does no harm.
  defp firmwares_way?(name, inventory, device),
    do: MapSet.member?(inventory.ways, name) and device.modules[name].stamp == ""

  defp of_all?(inventory, device, scope),
    do: scope == :all and not BuildTarget.differs?(inventory, device)

  defp brought?(%{stamp: "", removed?: false}, _inventory, _device), do: false

  defp brought?(%{app: app}, inventory, device) do
    inventory.known != nil and not MapSet.member?(inventory.known, app) and
      not Map.has_key?(device.apps, app) and app not in device.others
  end

  @doc "What the device still has of applications that the project no longer has."
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
