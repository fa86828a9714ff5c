defmodule Hotpush.Transport.Adb.Devices do
  @moduledoc """
  Android's debug bridge: which devices it knows, and which one a serial number names.

  Two tunnels lead to a node behind it, see `Hotpush.Transport.Adb.Tunnel`.
  """

  alias Hotpush.Transport.Adb.{Command, Device}
  alias Hotpush.Error

  @doc """
  The devices that adb knows, within `timeout` milliseconds. Starts adb's server if necessary. Errors
  are about `subject`, the device in question.
  """
  @spec devices(pos_integer(), String.t()) :: {:ok, [Device.t()]} | {:error, Error.t()}
  def devices(timeout \\ 10_000, subject \\ "adb") do
    with {:ok, text} <- Command.read(["devices", "-l"], subject, timeout) do
      {:ok, Device.parse(text)}
    end
  end

  @doc """
  The device with this serial number, or the only one whose serial number begins like this.

      iex> devices = [%Hotpush.Transport.Adb.Device{serial: "R5CT01"}, %Hotpush.Transport.Adb.Device{serial: "R5XX"}]
      iex> {:ok, device} = Hotpush.Transport.Adb.Devices.find("R5C", devices)
      iex> device.serial
      "R5CT01"
      iex> {:error, error} = Hotpush.Transport.Adb.Devices.find("R5", devices)
      iex> error.reason
      {:adb_ambiguous, ["R5CT01", "R5XX"]}
  """
  @spec find(String.t(), [Device.t()]) :: {:ok, Device.t()} | {:error, Error.t()}
  def find(prefix, devices) do
    exact = Enum.filter(devices, &(&1.serial == prefix))
    begin = Enum.filter(devices, &String.starts_with?(&1.serial, prefix))

    case {exact, begin} do
      {[device | _], _} ->
        {:ok, device}

      {[], [device]} ->
        {:ok, device}

      {[], []} ->
        serials = serials(devices)
        {:error, Error.new(:connect, prefix, {:adb_no_device, near(prefix, serials), serials})}

      {[], several} ->
        {:error, Error.new(:connect, prefix, {:adb_ambiguous, serials(several)})}
    end
  end

  @doc """
  Whether a device can be used, or why not.

      iex> Hotpush.Transport.Adb.Devices.usable(%Hotpush.Transport.Adb.Device{serial: "R5CT", state: :device})
      :ok
      iex> {:error, error} = Hotpush.Transport.Adb.Devices.usable(%Hotpush.Transport.Adb.Device{serial: "R5CT", state: :offline})
      iex> error.reason
      {:adb_state, :offline}
  """
  @spec usable(Device.t()) :: :ok | {:error, Error.t()}
  def usable(%Device{state: :device}), do: :ok

  def usable(%Device{} = device),
    do: {:error, Error.new(:connect, device.serial, {:adb_state, device.state})}

  defp serials(devices), do: devices |> Enum.map(& &1.serial) |> Enum.uniq() |> Enum.sort()

  # Serial numbers of one manufacturer begin alike, so suggest only a very similar one.
  defp near(prefix, serials) do
    plain = String.downcase(prefix)

    Enum.filter(serials, fn serial ->
      start = serial |> String.downcase() |> String.slice(0, String.length(plain))
      String.jaro_distance(plain, start) > 0.8
    end)
  end
end
