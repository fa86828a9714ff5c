defmodule Hotpush.Plan.LineTables do
  @moduledoc """
  Selects the applications for whose line tables a device is asked. Pure.

  The MD5 does not cover line numbers, and a device has to read its files to answer them. So it reads
  those of the applications that you edit, and those of any other dependency only if that dependency
  differs in another way.
  """

  alias Hotpush.Project
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Device, Memory}

  @doc """
  The applications to ask for at first: those that you edit, and those for which this device was asked
  before. `remembered` is from `Hotpush.Protocol.Memory.recall/2`.
  """
  @spec asked([Project.App.t()], Memory.t()) :: [atom()]
  def asked(apps, remembered) do
    before = for {{name, _print}, files} <- remembered.files, Enum.any?(files, &line?/1), do: name

    for app <- apps,
        app.editable? or app.kind == :own or to_string(app.name) in before,
        do: app.name
  end

  defp line?({_module, _md5, line}), do: line != ""

  @doc """
  The applications to ask for in a second question, now that it is known what differs. These are the
  applications not in `asked` that the device has from another build (the version, a module or an
  earlier push shows this), and of which some modules have the same code as here, but no line table in
  the device's answer.
  """
  @spec lacking(Inventory.t(), Device.t(), Hotpush.Scanner.diff(), ModuleFilter.t(), [atom()]) ::
          [atom()]
  def lacking(inventory, device, diff, scope, asked) do
    changed = Map.new(diff.changed)
    other = other_builds(inventory, device, changed)

    for app <- inventory.apps,
        app.kind != :dev and app.name not in asked,
        name = to_string(app.name),
        name in other or version_differs?(app, device.apps[name]),
        Enum.any?(inventory.beams, fn {_, beam} ->
          beam.app == app.name and ModuleFilter.includes?(scope, beam.module) and
            not is_map_key(changed, beam.module) and untold?(device.modules[beam.module])
        end),
        do: app.name
  end

  # A module shows this if it differs, if it is gone, or if it came with a push.
  defp other_builds(inventory, device, changed) do
    here = for {name, _reason} <- changed, do: to_string(inventory.beams[name].app)

    there =
      for {name, module} <- device.modules,
          module.stamp != "" or module.removed? or not is_map_key(inventory.beams, name),
          do: module.app

    Enum.uniq(here ++ there)
  end

  defp version_differs?(%{vsn: vsn}, %{known?: true, vsn: other}), do: vsn != other
  defp version_differs?(_app, _device_app), do: false

  defp untold?(%{stamp: "", line: "", removed?: false}), do: true
  defp untold?(_module), do: false
end
