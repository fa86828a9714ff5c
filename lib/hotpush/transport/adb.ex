defmodule Hotpush.Transport.Adb do
  @moduledoc """
  Reaches a device behind adb: the tunnels are set up before the visit, and everything else is
  distribution.

  The tunnels stay up after the visit, see `Hotpush.Transport.Adb.Tunnel`.
  """

  @behaviour Hotpush.Transport

  alias Hotpush.Transport.Adb.Tunnel
  alias Hotpush.Config.Target
  alias Hotpush.Transport.Dist

  @impl true
  def prepare(%Target{way: {:adb, serial, node}} = target) do
    with {:ok, node} <- Tunnel.open(serial, node), do: Dist.prepare(%{target | node: node})
  end

  @impl true
  defdelegate finish, to: Dist

  @impl true
  defdelegate open(target, timeout), to: Dist

  @impl true
  defdelegate call(conn, question, timeout), to: Dist

  @impl true
  defdelegate start(conn, question, timeout), to: Dist

  @impl true
  defdelegate send(conversation, message), to: Dist

  @impl true
  defdelegate receive(conversation, timeout), to: Dist

  @impl true
  defdelegate stop(conversation), to: Dist

  @impl true
  defdelegate served_by(conn), to: Dist

  @impl true
  defdelegate bytes(conn), to: Dist

  @impl true
  defdelegate close(conn), to: Dist
end
