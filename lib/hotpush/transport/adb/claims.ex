defmodule Hotpush.Transport.Adb.Claims do
  @moduledoc """
  What this VM knows about the tunnels of `Hotpush.Transport.Adb.Tunnel`: the node of each device, and
  which tunnels this VM has set up itself.
  """

  use Agent

  alias Hotpush.Application.Backup

  @typedoc "`:ours` are tunnels as adb calls them, `{\"reverse\", \"tcp:4369\"}`."
  @type claim :: %{node: node() | nil, ours: [{String.t(), String.t()}]}

  @doc "Starts it."
  @spec start_link(term()) :: Agent.on_start()
  def start_link(_), do: Agent.start_link(fn -> Backup.get(__MODULE__, %{}) end, name: __MODULE__)

  @doc "Everything that is known, by serial number."
  @spec all() :: %{String.t() => claim()}
  def all, do: Agent.get(__MODULE__, & &1)

  @doc "What is known about one device."
  @spec get(String.t()) :: claim()
  def get(serial), do: of(all(), serial)

  @doc "Records the node of a device."
  @spec put_node(String.t(), node()) :: :ok
  def put_node(serial, node), do: update(&Map.put(&1, serial, %{of(&1, serial) | node: node}))

  @doc "Records that a tunnel was set up here."
  @spec put_tunnel(String.t(), {String.t(), String.t()}) :: :ok
  def put_tunnel(serial, tunnel) do
    update(fn all ->
      claim = of(all, serial)
      Map.put(all, serial, %{claim | ours: Enum.uniq([tunnel | claim.ours])})
    end)
  end

  @doc "Forgets all devices but these."
  @spec only([String.t()]) :: :ok
  def only(serials), do: update(&Map.take(&1, serials))

  @doc "Forgets a device."
  @spec delete(String.t()) :: :ok
  def delete(serial), do: update(&Map.delete(&1, serial))

  defp of(all, serial), do: Map.get(all, serial, %{node: nil, ours: []})

  defp update(change), do: Agent.update(__MODULE__, &Backup.put(__MODULE__, change.(&1)))
end
