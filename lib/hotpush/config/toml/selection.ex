defmodule Hotpush.Config.Toml.Selection do
  @moduledoc """
  Finds devices by the names of nodes, hosts, nicknames and groups. Pure.

  A device of `hotpush.toml` is found by each of its names, and keeps its nickname and its cookie. A
  device that is selected twice counts once.
  """

  alias Hotpush.{Error, Text}
  alias Hotpush.Config.{Target, Toml}
  alias Hotpush.Plan.ModuleFilter

  @typedoc """
  A name as it was given: with `--node`, `--ssh`, `--device`, `--group`, or without an option (`:host`),
  in which case a nickname comes before a host of that name.
  """
  @type asked :: {:node | :ssh | :device | :group | :host, String.t() | atom()}

  @doc """
  The targets of `asked`, in order. If nothing is asked for, the devices of hotpush.toml, or, if it has
  none, those of `configured`, which are the Mix config's.

  `settings` may also be the error that says why hotpush.toml was not read.
  """
  @spec targets([asked()], Toml.t() | Error.t() | nil, [asked()]) ::
          {:ok, [Target.t()]} | {:error, Error.t()}
  def targets(asked, settings, configured \\ [])
  def targets([], %Toml{devices: [_ | _] = devices}, _configured), do: {:ok, devices}
  def targets([], _settings, []), do: {:ok, []}
  def targets([], _settings, configured), do: targets(configured, nil)

  def targets(asked, settings, configured) do
    Enum.reduce_while(asked, {:ok, []}, fn name, {:ok, done} ->
      case meant(name, settings, configured) do
        {:ok, targets} -> {:cont, {:ok, done ++ targets}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> once()
  end

  defp unread(name, unread), do: {:error, Error.new(:usage, name, {:name_unread, unread.subject})}

  @doc """
  The targets that match a name: first by nickname, then by node, host or serial number, then by the
  beginning of a serial number.
  """
  @spec called([Target.t()], String.t()) :: [Target.t()]
  def called(_routes, ""), do: []

  def called(targets, name) do
    Enum.find_value([&nicknamed?/2, &addressed?/2, &begins?/2], [], fn called? ->
      case Enum.filter(targets, &called?.(&1, name)) do
        [] -> nil
        found -> found
      end
    end)
  end

  defp nicknamed?(target, name), do: target.nickname == name

  defp addressed?(%Target{address: name}, name), do: true
  defp addressed?(%Target{way: {:node, node}}, name), do: of_node?(node, name)
  defp addressed?(%Target{way: {:ssh, %{host: host}}}, name), do: host == name
  defp addressed?(%Target{way: {:adb, _, node}}, name), do: node != nil and of_node?(node, name)

  defp begins?(%Target{way: {:adb, serial, _}}, name), do: String.starts_with?(serial, name)
  defp begins?(_route, _name), do: false

  defp of_node?(node, name) do
    [_, host] = String.split(to_string(node), "@", parts: 2)
    name in [to_string(node), host]
  end

  defp once({:ok, targets}), do: {:ok, Enum.uniq_by(targets, &Target.identity/1)}
  defp once(error), do: error

  # An error in the Mix config matters only if its devices are needed.
  defp meant({:device, name}, settings, configured) do
    in_file = with %Toml{devices: devices} <- settings, do: devices
    in_file = if is_list(in_file), do: in_file, else: []

    with [] <- called(in_file, name), {:ok, others} <- targets([], nil, configured) do
      case called(others, name) do
        [] -> no_such_name(name, in_file ++ others, settings)
        found -> {:ok, found}
      end
    else
      {:error, error} -> {:error, error}
      found -> {:ok, found}
    end
  end

  # Only the file has nicknames and groups. (A host may be anything.)
  defp meant({kind, name} = asked, %Error{} = unread, _configured) do
    if kind == :group or (kind == :node and not (to_string(name) =~ "@")),
      do: unread(name, unread),
      else: meant(asked, nil)
  end

  defp meant(asked, settings, _configured), do: meant(asked, settings)

  defp no_such_name(name, _routes, %Error{} = unread), do: unread(name, unread)

  defp no_such_name(name, targets, _settings) do
    names = Enum.map(targets, & &1.name)
    {:error, Error.new(:usage, name, {:no_such_name, ModuleFilter.near(name, names), names})}
  end

  defp meant({:ssh, host}, settings),
    do: Target.ssh(host) |> known(settings) |> similar(settings, "--device ")

  defp meant({:host, name}, settings) do
    case nicknamed(name, settings) do
      nil -> Target.ssh(name) |> known(settings) |> similar(settings, "")
      target -> {:ok, [target]}
    end
  end

  defp meant({:node, name}, settings) do
    text = to_string(name)
    target = nicknamed(text, settings) || through_adb(text, settings)

    cond do
      target != nil -> {:ok, [target]}
      settings == nil or text =~ "@" -> known(Target.node(name), settings)
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

  # The device of the file, if the file has it.
  defp known({:ok, target}, %Toml{devices: devices}) do
    same = Enum.find(devices, &(Target.identity(&1) == Target.identity(target)))
    {:ok, [same || target]}
  end

  defp known({:ok, target}, nil), do: {:ok, [target]}
  defp known(error, _settings), do: error

  # If it does not resolve, the user may have meant one of these. With --ssh, a nickname is a host too.
  defp similar(
         {:ok, [%{nickname: nil, way: {:ssh, %{host: host}}} = target]},
         %Toml{} = settings,
         option
       ) do
    names = ModuleFilter.near(host, nicknames(settings))
    {:ok, [%{target | similar: for(name <- names, do: option <> Text.word(name))}]}
  end

  defp similar(result, _settings, _option), do: result

  # Its node is reached only through its tunnel.
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
