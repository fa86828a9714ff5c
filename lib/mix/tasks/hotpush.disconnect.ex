defmodule Mix.Tasks.Hotpush.Disconnect do
  @shortdoc "Takes down the tunnels to devices behind adb"

  @moduledoc """
  Takes down the tunnels to devices behind adb.

      $ mix hotpush.disconnect
      $ mix hotpush.disconnect phone
      $ mix hotpush.disconnect R5CT

  `mix upload.hotswap` and `mix hotpush.devices` leave these tunnels up when they end, so that the
  device's node stays registered. The next push sets up again what it needs.

  Name a device by its name in `hotpush.toml`, its adb serial number, or a unique beginning of the
  serial number. Without a name, the command takes down the tunnels of all devices that
  `hotpush.toml` and the config name, or, if they name none, of all attached devices.

  The command removes the `adb reverse` of epmd's port, and each `adb forward` to a port at which
  this host's epmd knows a node. It does not matter which command or VM set them up. Tunnels of other
  programs stay. Devices that are reached by ssh or as a node have no tunnels: every command
  disconnects from those when it ends.

  ## Exit status

    * 0 - the tunnels are down
    * 1 - a device could not be asked
    * 2 - the command or the configuration is wrong
  """

  use Mix.Task

  alias Hotpush.{CLI, Error, Text}
  alias Hotpush.Config.Arguments
  alias Hotpush.Project.Workspace
  alias Hotpush.Push.Disconnect

  @impl true
  def run(argv), do: CLI.attended(fn -> leave_devices(argv) end)

  defp leave_devices(argv) do
    Workspace.consolidate()

    with {:ok, ids} <- ids(argv), {:ok, left} <- disconnect(ids) do
      CLI.say(lines(Enum.filter(left, & &1.adb?)))
      CLI.leave(if(Enum.any?(left, & &1.error), do: 1, else: 0))
    else
      {:error, error} -> CLI.fail(error)
    end
  end

  # Without a name, all devices of the configuration.
  defp ids(argv) do
    with {:ok, given} <- Arguments.parse("hotpush.disconnect", argv) do
      {:ok, if(given.devices == [], do: [nil], else: Keyword.values(given.devices))}
    end
  end

  # A missing device does not affect the others.
  defp disconnect(ids) do
    Enum.reduce_while(ids, {:ok, []}, fn id, {:ok, left} ->
      case Disconnect.run(device: id) do
        {:ok, more} ->
          {:cont, {:ok, left ++ more}}

        {:error, %{stage: :usage}} = error ->
          {:halt, error}

        {:error, error} ->
          {:cont, {:ok, left ++ [%Disconnect{name: id, adb?: true, error: error}]}}
      end
    end)
  end

  defp lines([]),
    do: [info: "None of these devices is behind adb: there are no tunnels to take down."]

  defp lines(left) do
    for one <- left do
      case one do
        %{error: %Error{} = error} -> {:error, Text.printable(Error.message(error))}
        %{tunnels: []} -> {:info, Text.printable("#{one.name}: Hotpush has no tunnels to it.")}
        _ -> {:info, Text.printable("#{one.name}: took down #{tunnels(one.tunnels)}.")}
      end
    end
  end

  defp tunnels(tunnels),
    do: Enum.map_join(tunnels, ", ", fn {direction, from} -> "adb #{direction} #{from}" end)
end
