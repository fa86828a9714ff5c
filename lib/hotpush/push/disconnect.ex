defmodule Hotpush.Push.Disconnect do
  @moduledoc """
  Disconnects from devices: ends the connections of `Hotpush.Push.Connect`, and takes down the tunnels to
  devices behind adb, even if another VM has set them up.
  """

  alias Hotpush.Transport.Adb.Teardown
  alias Hotpush.{Error, Transport}
  alias Hotpush.Config.{Options, Target}
  alias Hotpush.Push.Connect

  defstruct [:name, :adb?, :error, nodes: [], tunnels: []]

  @typedoc "The result for one device: the nodes that were disconnected, and the tunnels that were taken down."
  @type t :: %__MODULE__{
          name: String.t(),
          adb?: boolean(),
          nodes: [node()],
          tunnels: [Teardown.tunnel()],
          error: Error.t() | nil
        }

  @doc """
  Returns a result for each device, as `Hotpush.Push.Connect.run/1` selects them: those of the
  configuration, or that of `:device`.
  """
  @spec run(keyword()) :: {:ok, [t()]} | {:error, Error.t()}
  def run(options) do
    {id, options} = Keyword.pop(options, :device)

    # This offers no cookie, so it does not matter whether there is one.
    with {:ok, config} <- Options.config(options),
         {:ok, targets} <- Connect.targets(config, id),
         do: {:ok, Enum.map(targets, &leave/1)}
  end

  defp leave(%Target{way: {:adb, serial, node}} = target) do
    one = %__MODULE__{name: target.name, adb?: true, nodes: left(node)}

    case Teardown.run(serial) do
      {:ok, tunnels, known} -> %{one | tunnels: tunnels, nodes: one.nodes ++ left(known)}
      {:error, error} -> %{one | error: error}
    end
  end

  defp leave(%Target{way: {:node, node}} = target),
    do: %__MODULE__{name: target.name, adb?: false, nodes: left(node)}

  # Nothing of ssh stays.
  defp leave(target), do: %__MODULE__{name: target.name, adb?: false}

  defp left(nil), do: []
  defp left(node), do: if(Transport.Dist.leave(node), do: [node], else: [])
end
