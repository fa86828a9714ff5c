defmodule Hotpush.Config.Toml.Selection do
  @moduledoc """
  Which devices are meant by names of nodes, hosts, nicknames and groups. Pure.

  A device of `hotpush.toml` is that device by whichever of its names it was called, with its
  nickname and its cookie; whatever is chosen twice counts once.
  """

  alias Hotpush.Error
  alias Hotpush.Config.{Route, Toml}
  alias Hotpush.Plan.ModuleFilter

  @typedoc """
  A name as it was given: by `--node`, `--ssh`, `--group`, or with no option (`:host`), where a
  nickname comes before a host of that name.
  """
  @type asked :: {:node | :ssh | :group | :host, String.t() | atom()}

  @doc "The routes that `asked` means, in the order asked."
  @spec routes([asked()], Toml.t() | nil) :: {:ok, [Route.t()]} | {:error, Error.t()}
  def routes(asked, settings) do
    Enum.reduce_while(asked, {:ok, []}, fn name, {:ok, done} ->
      case meant(name, settings) do
        {:ok, routes} -> {:cont, {:ok, done ++ routes}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> once()
  end

  defp once({:ok, routes}), do: {:ok, Enum.uniq_by(routes, &Route.address/1)}
  defp once(error), do: error

  defp meant({:ssh, host}, settings), do: known(Route.ssh(host), settings)

  defp meant({:host, name}, settings) do
    case nicknamed(name, settings) do
      nil -> Route.ssh(name) |> known(settings) |> similar(settings)
      route -> {:ok, [route]}
    end
  end

  defp meant({:node, name}, settings) do
    text = to_string(name)
    route = nicknamed(text, settings) || through_adb(text, settings)

    cond do
      route != nil -> {:ok, [route]}
      settings == nil or text =~ "@" -> known(Route.node(name), settings)
      true -> unknown(text, {:no_such_device, settings.shown}, nicknames(settings))
    end
  end

  defp meant({:group, name}, nil), do: {:error, Error.new(:usage, name, :no_settings)}

  defp meant({:group, name}, settings) do
    case settings.groups do
      %{^name => members} -> {:ok, Enum.map(members, &nicknamed(&1, settings))}
      groups -> unknown(name, {:no_such_group, settings.shown}, Enum.sort(Map.keys(groups)))
    end
  end

  # As the file has it, if it does.
  defp known({:ok, route}, %Toml{devices: devices}) do
    same = Enum.find(devices, &(Route.address(&1) == Route.address(route)))
    {:ok, [same || route]}
  end

  defp known({:ok, route}, nil), do: {:ok, [route]}
  defp known(error, _settings), do: error

  # Should it not resolve, one of these may have been meant.
  defp similar(
         {:ok, [%{nickname: nil, way: {:ssh, %{host: host}}} = route]},
         %Toml{} = settings
       ),
       do: {:ok, [%{route | similar: ModuleFilter.near(host, nicknames(settings))}]}

  defp similar(result, _settings), do: result

  # Its node is reached through its tunnel alone.
  defp through_adb(_node, nil), do: nil

  defp through_adb(node, settings) do
    Enum.find(
      settings.devices,
      &(match?({:adb, _, _}, &1.way) and to_string(elem(&1.way, 2)) == node)
    )
  end

  defp nicknamed(_name, nil), do: nil
  defp nicknamed(name, settings), do: Enum.find(settings.devices, &(&1.nickname == name))

  defp nicknames(settings), do: Enum.map(settings.devices, & &1.nickname)

  defp unknown(name, {kind, shown}, names),
    do: {:error, Error.new(:usage, name, {kind, shown, ModuleFilter.near(name, names), names})}
end
