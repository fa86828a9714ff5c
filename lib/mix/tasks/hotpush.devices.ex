defmodule Mix.Tasks.Hotpush.Devices do
  @shortdoc "Lists devices: those of the configuration, and those that are found"

  alias Hotpush.Config.Switch

  @moduledoc """
  Lists devices: those of the configuration, and those that are found.

      $ mix hotpush.devices
      $ mix hotpush.devices --only mdns --timeout 3000

  For each device, the list shows its name in `hotpush.toml`, how it was found, its node or host,
  and its address. If the device was asked, the list also shows its Erlang/OTP and Elixir versions,
  the version of the application on it, how many modules differ from what was compiled last, since
  when it is up, and, if a push noted it on one of the devices, who pushed last.

  The command finds devices by mDNS (as Nerves devices announce themselves), at the epmd of this
  host and of the hosts that the configuration names, by adb, and with the modules in

      config :hotpush, discovery: [MyApp.Fleet]

  Asking a device offers it a cookie or an ssh key. So the command asks only devices that
  `hotpush.toml` or the config names, or that you have confirmed with
  `mix upload.hotswap --discover`. It lists the others, each with the lines for `hotpush.toml` that
  would name it.

  ## Options

  #{Switch.manual("hotpush.devices")}

  If `MIX_TARGET` is set and you have named no device, the command asks `nerves.local`, to which
  `mix upload.hotswap` would push.

  The command looks for the cookie in the environment variable `HOTPUSH_COOKIE`, `hotpush.toml`, the
  config, and `~/.erlang.cookie`, in this order. It lists a device whose cookie is missing, and does
  not ask it.

  The command compiles nothing. Run `mix compile` first, also after you change a module of your own
  in `discovery:`.

  Nodes of this computer that you have not named appear on a line of their own. The command reports
  that adb is missing only with `--only adb`, or if the configuration names a device behind adb.

  For more, see `deps/hotpush/guides/discovery.md`.

  ## Exit status

    * 0 - the list is as complete as it can be, whether the devices answer or not
    * 2 - the command or the configuration is wrong
  """

  use Mix.Task

  alias Hotpush.{CLI, Config, Project}
  alias Hotpush.Discovery.{Devices, Search}
  alias Hotpush.Project.Workspace
  alias Hotpush.Config.{Arguments, Given}
  alias Hotpush.Discovery.Devices.{Document, Table}
  alias Hotpush.Discovery.Confirmed

  @timeout 5_000

  @impl true
  def run(argv) do
    CLI.attended(fn ->
      CLI.command(Arguments.json("hotpush.devices", argv), &Document.of_error/1, fn ->
        list(argv)
      end)
    end)
  end

  defp list(argv) do
    Workspace.consolidate()
    env = System.get_env()

    with {:ok, given} <- Arguments.parse("hotpush.devices", argv),
         :ok <- Workspace.check(),
         {:ok, config} <- Workspace.config(%Given{compile: false}),
         :ok <- CLI.left_out(config),
         {:ok, project} <- Project.load(config),
         :ok <- Workspace.load_ways(config) do
      {confirmed, errors} = confirmed(Confirmed.read(Confirmed.path(env)))
      # The devices to which a push without names would go.
      config = %{Config.or_stock(config) | timeout: given.timeout || @timeout}
      only = for way <- Search.names(), to_string(way) in given.only, do: way
      {rows, more} = Devices.list(config, project, confirmed, only)
      unless given.json == "-", do: CLI.say(Table.lines(rows, errors ++ more))
      {0, Document.of(rows, errors ++ more)}
    else
      {:error, error} ->
        CLI.complain(error)
        {2, Document.of_error(error)}
    end
  end

  # A file that cannot be trusted confirms nothing, and is reported.
  defp confirmed({:ok, confirmed}), do: {confirmed, []}
  defp confirmed({:error, error}), do: {%Confirmed{}, [error]}
end
