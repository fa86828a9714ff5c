defmodule Hotpush.Plan.BuildTarget do
  @moduledoc "What a build and a device say that they were built for. Pure."

  alias Hotpush.Plan.Action
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device

  @doc """
  Whether the device says that it was built for another target.

  What the firmware's metadata say comes first: they outlast whatever was pushed, while the target
  that was compiled into its code may have come with a push. But a system of one's own keeps the
  platform of the system that it was made from, so the target counts beside it; not for a host's
  build, which no firmware is.
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
  Whether a module is of those by which a device says what it was built for. A build for another
  target never takes their place, or the device would not know itself any more.
  """
  @spec answerer?(Action.t()) :: boolean()
  def answerer?(%{app: app, module: module}) do
    app == :nerves_runtime or module in ["Elixir.Nerves.Runtime", "Elixir.Nerves.Runtime.KV"]
  end
end
