defmodule Hotpush.Discovery.Adb do
  @moduledoc """
  The devices that adb knows. No tunnel is opened, so whether a node runs on a device is only known when
  it is reached. A device that is offline, or does not allow debugging, is listed with what to do next.
  """

  @behaviour Hotpush.Discovery

  alias Hotpush.Config.Target
  alias Hotpush.Transport.Adb.Devices
  alias Hotpush.Discovery.Found

  @impl true
  def discover(options) do
    with {:ok, devices} <- Devices.devices(Keyword.fetch!(options, :timeout)) do
      {:ok, Enum.map(devices, &found/1)}
    end
  end

  defp found(device) do
    found = %Found{how: :adb, name: device.serial}

    with :ok <- Devices.usable(device), {:ok, target} <- Target.adb(device.serial) do
      %{found | targets: [target]}
    else
      {:error, error} -> %{found | notice: error}
    end
  end
end
