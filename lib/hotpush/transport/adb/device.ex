defmodule Hotpush.Transport.Adb.Device do
  @moduledoc "A line of `adb devices -l`. Pure."

  defstruct [:serial, :state, :model]

  @typedoc "A state that is not known here, such as one of a newer adb, is a string."
  @type state ::
          :device
          | :offline
          | :unauthorized
          | :authorizing
          | :connecting
          | :no_permissions
          | :recovery
          | :sideload
          | :rescue
          | :bootloader
          | :host
          | String.t()

  @type t :: %__MODULE__{serial: String.t(), state: state(), model: String.t() | nil}

  @states %{
    "device" => :device,
    "offline" => :offline,
    "unauthorized" => :unauthorized,
    "authorizing" => :authorizing,
    "connecting" => :connecting,
    "no permissions" => :no_permissions,
    "recovery" => :recovery,
    "sideload" => :sideload,
    "rescue" => :rescue,
    "bootloader" => :bootloader,
    "host" => :host
  }

  # A serial number made by mDNS may contain a space, so the state is found by its word.
  @known ~r/\A(\S.*?)\s+(#{Enum.join(Map.keys(@states), "|")})(?=[\s;(]|\z)(.*)\z/
  @unknown ~r/\A(\S+)\s+(\S+)(.*)\z/

  @doc """
  The devices in the output of `adb devices -l`.

      iex> [phone] = Hotpush.Transport.Adb.Device.parse("List of devices attached\\nR5CT device usb:1-1 model:Pixel_7\\n")
      iex> {phone.serial, phone.state, phone.model}
      {"R5CT", :device, "Pixel 7"}
  """
  @spec parse(String.t()) :: [t()]
  def parse(text) do
    case String.split(text, ~r/^List of devices attached\s*$/m, parts: 2) do
      [_about_its_server, lines] ->
        for line <- String.split(lines, ["\r\n", "\n"], trim: true),
            # adb's server may start in between, and say so.
            not String.starts_with?(line, "*"),
            device = device(line),
            do: device

      _ ->
        []
    end
  end

  defp device(line) do
    with nil <- Regex.run(@known, line), nil <- Regex.run(@unknown, line) do
      nil
    else
      [_, serial, state, rest] ->
        %__MODULE__{serial: serial, state: Map.get(@states, state, state), model: model(rest)}
    end
  end

  defp model(rest) do
    case Regex.run(~r/(?:\A|\s)model:(\S+)/, rest) do
      [_, model] -> String.replace(model, "_", " ")
      nil -> nil
    end
  end
end
