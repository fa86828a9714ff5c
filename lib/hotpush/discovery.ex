defmodule Hotpush.Discovery do
  @moduledoc """
  The behaviour of modules that find devices.

  A project lists its own modules in the config:

      config :hotpush, discovery: [MyApp.Fleet]

  Discovery offers no cookie and no key to a device that it finds. `Hotpush.Discovery.Devices`
  decides which devices are *asked*.
  """

  alias Hotpush.Discovery.Found
  alias Hotpush.Error

  @doc """
  Looks for devices.

  ## Options

    * `:timeout` - return within this many milliseconds; Hotpush does not wait any longer
    * `:hosts` - the hosts that the configuration names
  """
  @callback discover(options :: keyword()) :: {:ok, [Found.t()]} | {:error, Error.t()}
end
