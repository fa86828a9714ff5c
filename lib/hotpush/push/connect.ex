defmodule Hotpush.Push.Connect do
  @moduledoc """
  Connects this VM with devices and stays connected, while a push disconnects when it is done.
  """

  alias Hotpush.{Config, Error, Project}
  alias Hotpush.Config.{Cookie, Options, Target}
  alias Hotpush.Config.Toml.Selection
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Push.{Engine, Isolation, Preparation}
  alias Hotpush.Transport.Adb.Devices
  alias Hotpush.Text
  alias Hotpush.Discovery.Names
  alias Hotpush.Transport
  alias Hotpush.Transport.Targets

  @doc """
  Returns the nodes of the devices that could be reached. These are the devices that the configuration
  names, or, if it names none, those that are attached by adb. A device that is reached by ssh is not a
  node. If a device cannot be reached, the reason is logged.
  """
  @spec run(keyword()) :: {:ok, [node()]} | {:error, Error.t()}
  def run(options) do
    {ids, options} = Keyword.pop(options, :device)

    with {:ok, config} <- Options.config(options),
         :ok <- Cookie.some(config),
         {:ok, project} <- Project.load(config),
         {:ok, targets} <- targets(config, ids) do
      targets = Targets.list(%{config | targets: targets}, project.state_dir)
      Isolation.run("connect", fn -> connect(targets, config.timeout) end)
    end
  end

  @doc """
  Finds the targets of one or several ids: a nickname, a node name, a host name, an adb serial number or a
  unique prefix of one. Devices of the configuration come first; a host that is not configured is reached
  by ssh.
  """
  @spec targets(Config.t(), id | [id] | nil) :: {:ok, [Target.t()]} | {:error, Error.t()}
        when id: String.t() | atom()
  def targets(%Config{targets: []}, none) when none in [nil, []], do: attached()
  def targets(%Config{targets: targets}, none) when none in [nil, []], do: {:ok, targets}

  def targets(config, ids) when is_list(ids) do
    Enum.reduce_while(ids, {:ok, []}, fn id, {:ok, done} ->
      case of_one(config, id) do
        {:ok, targets} -> {:cont, {:ok, Enum.uniq(done ++ targets)}}
        error -> {:halt, error}
      end
    end)
  end

  def targets(config, id), do: of_one(config, id)

  defp of_one(config, id) do
    with {:ok, text} <- Options.id(id) do
      case Selection.called(config.targets, text) do
        [] -> with {:ok, target} <- other(text, config), do: {:ok, [target]}
        targets -> {:ok, targets}
      end
    end
  end

  # Not configured: a node by its full name, a device that adb knows, or a host as on the command line.
  defp other(text, config) do
    if text =~ "@", do: Target.node(text), else: attached(text, config)
  end

  defp attached(text, config) do
    {:ok, devices} = with {:error, _no_adb} <- Devices.devices(10_000, text), do: {:ok, []}

    case Devices.find(text, devices) do
      {:ok, device} ->
        Target.adb(device.serial)

      {:error, %Error{reason: {:adb_ambiguous, _}} = error} ->
        {:error, error}

      {:error, _none} ->
        if text =~ ~r/[.:]/, do: Target.ssh(text), else: {:error, unknown(text, config, devices)}
    end
  end

  defp unknown(text, config, devices) do
    names = Enum.map(config.targets, & &1.name) ++ Enum.map(devices, & &1.serial)
    Error.new(:connect, text, {:no_such_id, ModuleFilter.near(text, names)})
  end

  defp attached do
    case Devices.devices() do
      {:ok, devices} ->
        {:ok, for(%{state: :device} = d <- devices, {:ok, r} <- [Target.adb(d.serial)], do: r)}

      {:error, _no_adb} ->
        {:ok, []}
    end
  end

  defp connect(targets, timeout) do
    targets = Enum.reject(targets, &(&1.transport == Transport.Ssh))

    Preparation.named(targets, timeout, fn ->
      open = fn asked, prepared, _reach -> open(asked, prepared, timeout) end
      results = Engine.run(targets, open, limit: timeout + 10_000)

      Enum.uniq(
        for {target, result} <- results, node <- connected(target, result, timeout), do: node
      )
    end)
  end

  defp open(_asked, {:ok, target}, timeout) do
    with {:ok, conn} <- target.transport.open(target, timeout) do
      connection = Transport.Dist.keep(conn)
      Transport.Dist.stay()
      {:ok, target, connection}
    end
  end

  defp open(_asked, error, _timeout), do: error

  # The name stays known as long as the connection that was made with it.
  defp connected(_asked, {:ok, {:ok, target, connection}}, _timeout) do
    [target] |> Names.hosts() |> Names.hand_over(connection)
    [target.node]
  end

  defp connected(asked, {:ok, {:error, error}}, _timeout), do: log(asked, error)
  defp connected(asked, {:error, error}, _timeout), do: log(asked, error)

  defp connected(asked, :late, timeout),
    do: log(asked, Error.new(:connect, asked.name, {:timeout, timeout}))

  # The result has no place for the reason why a device is missing.
  defp log(target, error) do
    :logger.warning("~ts", [Text.printable(Error.message(Target.named(target, error)))])
    []
  end
end
