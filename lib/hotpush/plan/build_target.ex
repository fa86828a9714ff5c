defmodule Hotpush.Plan.BuildTarget do
  @moduledoc "Compares the targets that a build and a device were built for. Pure."

  alias Hotpush.Plan.Action
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  @doc """
  Whether the device says that it was built for another target.

  The firmware's metadata come first: no push changes them, while the target in the device's code may
  have come with a push. But a custom system keeps the platform of the system that it was derived from,
  so the target is accepted too. It is not for a build for the host, which is never firmware.
  """
  @spec differs?(Inventory.t(), Device.t()) :: boolean()
  def differs?(inventory, device) do
    build = to_string(inventory.target)

    cond do
      device.platform == build -> false
      device.platform != nil and build == "host" -> true
      true -> device.target != nil and device.target != build
    end
  end

  @doc """
  Whether a device knows from this module what it was built for. A build for another target never
  replaces such a module, since the device could no longer name its own target.
  """
  @spec answerer?(Action.t()) :: boolean()
  def answerer?(%{app: app, module: module}) do
    app == :nerves_runtime or module in ["Elixir.Nerves.Runtime", "Elixir.Nerves.Runtime.KV"]
  end
end
