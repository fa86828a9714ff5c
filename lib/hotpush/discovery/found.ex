defmodule Hotpush.Discovery.Found do
  @moduledoc """
  One device that discovery found. Pure.

    * `:how` - the way that found it: `:mdns`, `:epmd`, `:adb`, or a module of the project
    * `:also` - other ways that found the same device
    * `:name` - its host name, node name or adb serial number
    * `:host` - its host name, if it has one
    * `:addresses` - its IP addresses as text, best first
    * `:targets` - how it is reached, best first
    * `:offers` - the same as text, as it was announced: see `targets/1`
    * `:notice` - why it cannot be reached, and what to do next
  """

  alias Hotpush.Error
  alias Hotpush.Config.Target

  defstruct [:how, :name, :host, also: [], addresses: [], targets: [], offers: [], notice: nil]

  @type offer :: {:node | :ssh, String.t()}
  @type t :: %__MODULE__{
          how: atom(),
          also: [atom()],
          name: String.t(),
          host: String.t() | nil,
          addresses: [String.t()],
          targets: [Target.t()],
          offers: [offer()],
          notice: Error.t() | nil
        }

  @doc """
  All ways to the device. Only this function turns announced text into the name of a node, and so into
  an atom: call it only for devices that are to be reached.

      iex> found = %Hotpush.Discovery.Found{how: :mdns, name: "a.local", offers: [ssh: "a.local"]}
      iex> for target <- Hotpush.Discovery.Found.targets(found), do: target.name
      ["a.local"]
  """
  @spec targets(t()) :: [Target.t()]
  def targets(%__MODULE__{targets: targets, offers: offers}) do
    offered =
      for {kind, text} <- offers, {:ok, target} <- [apply(Target, kind, [text])], do: target

    Enum.uniq_by(targets ++ offered, & &1.way)
  end

  @doc """
  The same ways as text: `{:node | :ssh | :adb, name}`.

      iex> {:ok, target} = Hotpush.Config.Target.node("b@a.local")
      iex> Hotpush.Discovery.Found.ways(%Hotpush.Discovery.Found{targets: [target], offers: [ssh: "a"]})
      [node: "b@a.local", ssh: "a"]
  """
  @spec ways(t()) :: [{:node | :ssh | :adb, String.t()}]
  def ways(%__MODULE__{targets: targets, offers: offers}),
    do: Enum.uniq(Enum.map(targets, &{elem(&1.way, 0), &1.name}) ++ offers)

  @doc "The names of the nodes that run on it, as text."
  @spec nodes(t()) :: [String.t()]
  def nodes(%__MODULE__{} = found) do
    through_adb = for %{way: {:adb, _, node}} when node != nil <- found.targets, do: "#{node}"
    for({:node, name} <- ways(found), do: name) ++ through_adb
  end

  @doc """
  Whether it is the device that a target leads to, as far as the names of nodes and hosts show.
  """
  @spec at?(t(), Target.t()) :: boolean()
  def at?(found, %Target{way: {:node, node}}) do
    name = to_string(node)
    [_, host] = String.split(name, "@", parts: 2)
    name in nodes(found) or (nodes(found) == [] and same_host?(found, host))
  end

  def at?(found, %Target{way: {:ssh, %{host: host}}}), do: same_host?(found, host)

  def at?(found, %Target{way: {:adb, serial, _}}),
    do: Enum.any?(ways(found), &match?({:adb, ^serial}, &1)) or prefix?(found, serial)

  defp prefix?(%{how: :adb, name: name}, serial), do: String.starts_with?(name, serial)
  defp prefix?(_found, _serial), do: false

  defp same_host?(%{host: nil}, _host), do: false

  defp same_host?(found, host),
    do: not here?(found) and (String.downcase(host) == found.host or host in found.addresses)

  @doc """
  Merges entries of the same device: those with the same host, or with the same node's name. Each node of
  this host is a device of its own.
  """
  @spec merge([t()]) :: [t()]
  def merge(found) do
    Enum.reduce(found, [], fn one, all ->
      case Enum.find_index(all, &same?(&1, one)) do
        nil -> all ++ [one]
        index -> List.update_at(all, index, &join(&1, one))
      end
    end)
  end

  defp same?(a, b) do
    here? = here?(a) or here?(b)
    (not here? and a.host != nil and a.host == b.host) or Enum.any?(nodes(a), &(&1 in nodes(b)))
  end

  @doc "Whether it is on this computer, according to `:host`."
  @spec here?(%{:host => String.t() | nil, optional(any()) => any()}) :: boolean()
  def here?(%{host: host}), do: host in ["localhost", "127.0.0.1", "::1"]

  defp join(a, b) do
    %{
      a
      | also: Enum.uniq(a.also ++ [b.how | b.also]) -- [a.how],
        host: a.host || b.host,
        addresses: Enum.uniq(a.addresses ++ b.addresses),
        targets: Enum.uniq_by(a.targets ++ b.targets, & &1.way),
        offers: Enum.uniq(a.offers ++ b.offers),
        notice: a.notice && b.notice && a.notice
    }
  end
end
