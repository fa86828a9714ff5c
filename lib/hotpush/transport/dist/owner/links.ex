defmodule Hotpush.Transport.Dist.Owner.Links do
  @moduledoc """
  The connections of this VM's node that somebody uses. Each user has a hold on a connection, and one
  process may have several. Pure.
  """

  @typedoc """
  For each node at the other end, the holds on its connection, and whether the connection is `:ours?`, so
  that it ends with the last hold.
  """
  @type t :: %{optional(node()) => %{ours?: boolean(), holds: %{reference() => pid()}}}

  @doc "Adds a hold. The connection is ours unless it is among those that are `connected` already."
  @spec join(t(), node(), pid(), [node()]) :: {reference(), t()}
  def join(links, node, pid, connected) do
    hold = make_ref()
    link = links[node] || %{ours?: node not in connected, holds: %{}}
    {hold, Map.put(links, node, %{link | holds: Map.put(link.holds, hold, pid)})}
  end

  @doc "Takes a hold away. The nodes are those to disconnect from."
  @spec leave(t(), node(), reference()) :: {[node()], t()}
  def leave(links, node, hold) do
    case links do
      %{^node => link} -> left(links, node, %{link | holds: Map.delete(link.holds, hold)})
      _ -> {[], links}
    end
  end

  defp left(links, node, %{holds: holds, ours?: ours?}) when holds == %{},
    do: {if(ours?, do: [node], else: []), Map.delete(links, node)}

  defp left(links, node, link), do: {[], %{links | node => link}}

  @doc "Lets a connection stay after its last hold."
  @spec keep(t(), node()) :: t()
  def keep(links, node) do
    case links do
      %{^node => link} -> %{links | node => %{link | ours?: false}}
      _ -> links
    end
  end

  @doc "The holds of a process."
  @spec of(t(), pid()) :: [{node(), reference()}]
  def of(links, pid), do: for({node, link} <- links, {hold, ^pid} <- link.holds, do: {node, hold})

  @doc "The processes that have a hold."
  @spec holders(t()) :: [pid()]
  def holders(links), do: for({_node, link} <- links, {_hold, pid} <- link.holds, do: pid)

  @doc "The nodes whose connections are ours."
  @spec ours(t()) :: [node()]
  def ours(links), do: for({node, %{ours?: true}} <- links, do: node)
end
