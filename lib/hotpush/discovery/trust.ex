defmodule Hotpush.Discovery.Trust do
  @moduledoc """
  Decides which devices may be offered a cookie or a key: those that the configuration names, and those
  that the developer has confirmed. Devices that only answered on the network are listed. Pure, except
  for `keys`.
  """

  alias Hotpush.Discovery.{Confirmed, Found, HostKey}
  alias Hotpush.Error
  alias Hotpush.Config.Target

  @typedoc "The configured and the found devices, each with the way that counts for it."
  @type sorted :: %{
          named: [{Target.t(), [Found.t()]}],
          confirmed: [{Found.t(), Confirmed.way(), [public_key :: String.t()]}],
          unknown: [{Found.t(), Confirmed.way() | nil, Error.t() | nil}]
        }

  @doc """
  Sorts the devices. `targets` are those of the configuration; `keys` is as in `Confirmed.verdict/3`. If a
  host key has changed, the device has that error.
  """
  @spec sort([Found.t()], [Target.t()], Confirmed.t(), (String.t() -> [HostKey.t()])) :: sorted()
  def sort(found, targets, confirmed, keys) do
    named = for target <- targets, do: {target, Enum.filter(found, &Found.at?(&1, target))}
    rest = found -- Enum.flat_map(named, &elem(&1, 1))

    judged =
      for one <- rest, way <- ways(one) do
        {one, way, way && Confirmed.verdict(confirmed, way, keys)}
      end

    %{
      named: named,
      confirmed: for({one, way, {:confirmed, keys}} <- judged, do: {one, way, keys}),
      unknown:
        for({one, way, verdict} <- judged, not match?({:confirmed, _}, verdict)) do
          {one, way, if(verdict == :changed, do: changed(way))}
        end
    }
  end

  @doc """
  The ways that count: each node that is registered there, or ssh. `[nil]` if there is none.

      iex> found = %Hotpush.Discovery.Found{how: :mdns, name: "h", offers: [node: "a@h", ssh: "h"]}
      iex> Hotpush.Discovery.Trust.ways(found)
      [node: "a@h"]
  """
  @spec ways(Found.t()) :: [Confirmed.way() | nil]
  def ways(found) do
    by_kind = Enum.group_by(Found.ways(found), &elem(&1, 0))
    by_kind[:adb] || by_kind[:node] || Enum.take(by_kind[:ssh] || [nil], 1)
  end

  @doc """
  The target of a way that was found. With public keys, it is reached only if the host has one of them.
  """
  @spec target(Found.t(), Confirmed.way(), [String.t()]) :: Target.t() | nil
  def target(found, {kind, name}, keys \\ []) do
    target = Enum.find(Found.targets(found), &(elem(&1.way, 0) == kind and &1.name == name))
    if target && keys != [], do: %{target | host_keys: keys}, else: target
  end

  @doc """
  The lines for hotpush.toml that would name a device.

      iex> Hotpush.Discovery.Trust.snippet({:ssh, "nerves-1a2b.local"})
      ["[device.nerves-1a2b]", "ssh = \\"nerves-1a2b.local\\""]
      iex> Hotpush.Discovery.Trust.snippet({:node, "example@10.0.0.2"})
      ["[device.example]", "node = \\"example@10.0.0.2\\""]
  """
  @spec snippet(Confirmed.way()) :: [String.t()]
  def snippet({kind, name}) do
    ["[device.#{nickname(name)}]", ~s(#{kind} = "#{String.replace(name, ~w(\\ "), "")}")]
  end

  # Letters, digits, - and _ need no quotes in TOML.
  defp nickname(name) do
    case Regex.run(~r/[A-Za-z][A-Za-z0-9_\-]*/, name) do
      [first] -> first
      nil -> "device"
    end
  end

  defp changed({:ssh, host}), do: Error.new(:discover, host, :key_changed)
end
