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
  A name as it was given: by `--node`, `--ssh`, `--device`, `--group`, or with no option (`:host`),
  where a nickname comes before a host of that name.
  """
  @type asked :: {:node | :ssh | :device | :group | :host, String.t() | atom()}

  @doc """
  The routes that `asked` means, in the order asked. Where nothing is asked for: the devices of
  hotpush.toml, or, where it has none, those of `configured`, the Mix config's.

  In the place of `settings` may stand the error that says why hotpush.toml was not read.
  """
  @spec routes([asked()], Toml.t() | Error.t() | nil, [asked()]) ::
          {:ok, [Route.t()]} | {:error, Error.t()}
  def routes(asked, settings, configured \\ [])
  def routes([], %Toml{devices: [_ | _] = devices}, _configured), do: {:ok, devices}
  def routes([], _settings, []), do: {:ok, []}
  def routes([], _settings, configured), do: routes(configured, nil)

  def routes(asked, settings, configured) do
    Enum.reduce_while(asked, {:ok, []}, fn name, {:ok, done} ->
      case meant(name, settings, configured) do
        {:ok, routes} -> {:cont, {:ok, done ++ routes}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> once()
  end

  defp unread(name, unread), do: {:error, Error.new(:usage, name, {:name_unread, unread.subject})}

  @doc """
  Those of the routes that go by a name: a nickname; or else a node, a host or a serial number; or
  else the beginning of a serial number.
  """
  @spec called([Route.t()], String.t()) :: [Route.t()]
  def called(_routes, ""), do: []

  def called(routes, name) do
    Enum.find_value([&nicknamed?/2, &addressed?/2, &begins?/2], [], fn called? ->
      case Enum.filter(routes, &called?.(&1, name)) do
        [] -> nil
        found -> found
      end
    end)
  end

  defp nicknamed?(route, name), do: route.nickname == name

  defp addressed?(%Route{name: name}, name), do: true
  defp addressed?(%Route{way: {:node, node}}, name), do: of_node?(node, name)
  defp addressed?(%Route{way: {:ssh, %{host: host}}}, name), do: host == name
  defp addressed?(%Route{way: {:adb, _, node}}, name), do: node != nil and of_node?(node, name)

  defp begins?(%Route{way: {:adb, serial, _}}, name), do: String.starts_with?(serial, name)
  defp begins?(_route, _name), do: false

  defp of_node?(node, name) do
    [_, host] = String.split(to_string(node), "@", parts: 2)
    name in [to_string(node), host]
  end

  defp once({:ok, routes}), do: {:ok, Enum.uniq_by(routes, &Route.address/1)}
  defp once(error), do: error

  # What is wrong with the Mix config matters only where it is needed.
  defp meant({:device, name}, settings, configured) do
    in_file = with %Toml{devices: devices} <- settings, do: devices
    in_file = if is_list(in_file), do: in_file, else: []

    with [] <- called(in_file, name), {:ok, others} <- routes([], nil, configured) do
      case called(others, name) do
        [] -> no_such_name(name, in_file ++ others, settings)
        found -> {:ok, found}
      end
    else
      {:error, error} -> {:error, error}
      found -> {:ok, found}
    end
  end

  # A nickname or a group is in the file alone. (A host may be anything.)
  defp meant({kind, name} = asked, %Error{} = unread, _configured) do
    if kind == :group or (kind == :node and not (to_string(name) =~ "@")),
      do: unread(name, unread),
      else: meant(asked, nil)
  end

  defp meant(asked, settings, _configured), do: meant(asked, settings)

  defp no_such_name(name, _routes, %Error{} = unread), do: unread(name, unread)

  defp no_such_name(name, routes, _settings) do
    names = Enum.map(routes, &Route.title/1)
    {:error, Error.new(:usage, name, {:no_such_name, ModuleFilter.near(name, names), names})}
  end

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
