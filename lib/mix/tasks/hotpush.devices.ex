defmodule Mix.Tasks.Hotpush.Devices do
  @shortdoc "Lists devices: those of configuration, and those that are found"

  @moduledoc """
  Lists devices: those of configuration, and those that are found.

      $ mix hotpush.devices
      $ mix hotpush.devices --only mdns --timeout 3000

  Of each: what hotpush.toml calls it, how it was found, its node or host, its address, and, where
  it was asked, its Erlang/OTP, its Elixir, the version of the application there, how many modules
  differ from what was compiled last, and since when it is up.

  Devices are found by mDNS (as Nerves devices announce themselves), at the epmd of this host and
  of those that configuration names, by adb, and by the modules in

      config :hotpush, discovery: [MyApp.Fleet]

  Asking a device offers it a cookie or an ssh key. So only those are asked that hotpush.toml or
  the config names, or that you confirmed by `mix upload.hotswap --discover`. The others are
  listed with the lines that would name them.

  ## Options

    * `--only WAY` - only `mdns`, `epmd` or `adb`; may be repeated
    * `--timeout MS` - milliseconds for all of it, 5000 by default, however many devices hang
    * `--json PATH` - write one JSON document, in every case (`-` is standard output, in place of
      the table); its schema is `priv/devices.schema.json`

  With `MIX_TARGET` set and no device named, `nerves.local` is asked, as `mix upload.hotswap` would
  push there.

  The cookie is looked for in the environment variable `HOTPUSH_COOKIE`, in `hotpush.toml`, in the
  config, and at last in `~/.erlang.cookie`. A device whose cookie is missing is listed and not
  asked. Nothing is compiled: run `mix compile` first, also after a change to a module of your own in
  `discovery:`.

  Nodes of this computer that nobody named stand on a line of their own. That adb is missing is said
  with `--only adb`, and where configuration names a device behind it.

  ## Exit status

    * 0 - the list is complete as far as can be known, whether the devices answer or not
    * 2 - the command or the configuration is wrong
  """

  use Mix.Task

  alias Hotpush.{CLI, Config, Project}
  alias Hotpush.Discovery.Devices
  alias Hotpush.Project.Workspace
  alias Hotpush.Config.DevicesArguments
  alias Hotpush.Discovery.Devices.{Document, Table}
  alias Hotpush.Discovery.Confirmed

  @impl true
  def run(argv) do
    CLI.attended(fn ->
      CLI.command(DevicesArguments.json(argv), &Document.of_error/1, fn -> list(argv) end)
    end)
  end

  defp list(argv) do
    Workspace.consolidate()
    env = System.get_env()

    with {:ok, asked} <- DevicesArguments.parse(argv),
         :ok <- Workspace.check(),
         {:ok, config} <- config(["--discover", "--no-compile"]),
         :ok <- CLI.left_out(config),
         {:ok, project} <- Project.load(config),
         :ok <- Workspace.load_ways(config) do
      {confirmed, errors} = confirmed(Confirmed.read(Confirmed.path(env)))
      config = %{config | timeout: asked.timeout}
      {rows, more} = Devices.list(config, project, confirmed, asked.only)
      unless asked.json == "-", do: CLI.say(Table.lines(rows, errors ++ more))
      {0, Document.of(rows, errors ++ more)}
    else
      {:error, error} ->
        CLI.complain(error)
        {2, Document.of_error(error)}
    end
  end

  # Whom a push would mean where none is named.
  defp config(build) do
    with {:ok, %{routes: []}} <- Workspace.config(build) do
      stock = if Mix.target() == :host, do: [], else: ["--ssh", Config.stock_host()]
      Workspace.config(build ++ stock)
    end
  end

  # Nothing is confirmed by a file that cannot be trusted, and that is said.
  defp confirmed({:ok, confirmed}), do: {confirmed, []}
  defp confirmed({:error, error}), do: {%Confirmed{}, [error]}
end
