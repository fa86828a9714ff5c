defmodule Hotpush.Discovery.Epmd do
  @moduledoc """
  The nodes that the epmd of this host knows, and those of the hosts that the configuration names.

  epmd answers everybody, so no cookie is offered (ERTS User's Guide, Distribution Protocol,
  NAMES_REQ).
  """

  @behaviour Hotpush.Discovery

  alias Hotpush.Discovery.{EpmdNames, Found}

  @here "127.0.0.1"

  @impl true
  def discover(options) do
    timeout = Keyword.fetch!(options, :timeout)

    found =
      [@here | Keyword.get(options, :hosts, [])]
      |> Enum.uniq()
      |> Task.async_stream(&{&1, EpmdNames.of(&1, timeout), here?(&1)},
        max_concurrency: 256,
        timeout: timeout,
        on_timeout: :kill_task
      )
      |> Enum.flat_map(fn
        {:ok, {host, {:ok, names}, here?}} -> for name <- names, do: found(host, name, here?)
        # A host that does not answer is reported by those who ask it for more than names.
        _ -> []
      end)

    {:ok, once(found)}
  end

  defp found(host, name, here?) do
    node = "#{name}@#{host}"
    %Found{how: :epmd, name: node, host: if(here?, do: @here, else: host), offers: [node: node]}
  end

  # This computer's epmd may be asked under several names: those of the configuration are preferred.
  defp once(found) do
    {here, elsewhere} = Enum.split_with(found, &Found.here?/1)
    named = for %{name: node} <- here, not String.ends_with?(node, "@" <> @here), do: name(node)

    Enum.reject(here, &(String.ends_with?(&1.name, "@" <> @here) and name(&1.name) in named)) ++
      elsewhere
  end

  defp name(node), do: node |> String.split("@") |> hd()

  # Whether a host is this computer, according to its addresses.
  defp here?(@here), do: true

  defp here?(host) do
    with {:ok, address} <- :inet.getaddr(String.to_charlist(host), :inet),
         {:ok, interfaces} <- :inet.getifaddrs() do
      elem(address, 0) == 127 or
        Enum.any?(interfaces, fn {_, options} -> {:addr, address} in options end)
    else
      _ -> false
    end
  end
end
