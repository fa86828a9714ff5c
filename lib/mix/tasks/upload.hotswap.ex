defmodule Mix.Tasks.Upload.Hotswap do
  @shortdoc "Makes running devices run the code on disk, without a restart"

  @moduledoc """
  Makes running devices run the code on disk, without a restart.

      $ mix upload.hotswap nerves.local
      $ mix upload.hotswap --node example@nerves.local
      $ mix upload.hotswap

  Compiles the project, asks each device what it *runs*, sends only the modules that differ, loads
  them in one step, and reads back what the device then runs. A second run says that nothing
  differs and sends no code.

  Mix cannot see a source that was saved again in the second in which it was compiled, in the same
  size. Such a file gets a time one second later, so that Mix compares its content.

  ## Hosts and nodes

  `mix upload.hotswap [USER@]HOST[:PORT]` reaches a device as `mix upload HOST` does: by your own
  `ssh`, with your keys, `~/.ssh/config` and known hosts. Any Nerves device takes that as it is. The
  device needs no distribution, and there is no cookie; nothing stays there but the code. Nobody can
  be asked for a password: load keys with a passphrase by `ssh-add`, or set `SSH_ASKPASS`, with or
  without a screen. Several hosts may be named, with a port where it is not the usual one:
  `nerves.local:2222`.

  `--node NAME` reaches a node that is up, by Erlang distribution.

  With neither, the devices of `hotpush.toml` are meant, or else those of the config, or else, where
  `MIX_TARGET` is set, `nerves.local`.

  ## Configuration

      # config/config.exs
      if config_env() == :dev do
        config :hotpush,
          app_name: :example,
          nodes: [:"example@nerves.local"],
          cookie: :"secret token shared between nodes"
      end

    * `app_name` - the application, or a list of them; by default the Mix project's
    * `nodes` - the nodes, where the command line names no device
    * `ssh` - hosts, as on the command line
    * `cookie` - the devices' cookie
    * `discovery` - the project's own ways to find devices: see `mix hotpush.devices`

  Any other key is an error. A project with `config :mix_tasks_upload_hotswap` and the same keys
  works unchanged.

  The cookie is looked for in `--cookie`, in the environment variable `HOTPUSH_COOKIE`, in
  `hotpush.toml`, in the config, and at last in `~/.erlang.cookie`. It is never printed. Where
  `hotpush.toml` says where it is and it is not there, the devices that need it fail, and no other.

  ## hotpush.toml

  What stands in `config/config.exs` is everybody's, and is compiled into firmware. The devices on
  your own desk belong into `hotpush.toml`, beside `mix.exs` (or that of the umbrella):

      app = "example"                        # or a list; by default the Mix project's
      cookie_env = "EXAMPLE_COOKIE"          # or cookie, or cookie_file

      [device.kitchen]
      ssh = "nerves-1a2b.local"              # [user@]host[:port]
      [device.porch]
      node = "example@nerves-3c4d.local"
      cookie_file = ".porch.cookie"          # its own, in place of the one above
      [device.phone]
      adb = "R5CT"                           # a serial number or a unique beginning of it

      [group.all]
      devices = ["kitchen", "porch", "phone"]

  `mix hotpush.init` writes one, with the devices that it finds, and keeps it out of git. Then

      $ mix upload.hotswap --node porch
      $ mix upload.hotswap --group all

  push to devices by these names, and `mix upload.hotswap` to every device of the file. Each device
  has one of `ssh`, `node` and `adb`; beside `adb`, `node` names the node that runs there. A file
  with a cookie, `hotpush.toml` included, must be readable by you alone; the path of a `cookie_file`
  is relative to `hotpush.toml`.

  The command line counts before the environment, that before `hotpush.toml`, and that before the
  Mix config: devices of `hotpush.toml` take the place of `nodes`. Any other key, and any name that
  is not there, is an error with its line and column. The file is read by the native library: where
  that is missing, devices of the command line and of the config are pushed to all the same, and a
  note says that the file was not read.

  ## Options

    * `--ssh HOST` - push to this host by ssh, as if it stood alone; may be repeated
    * `--node NAME` - push to this node, configured or not, or to the device of this name in
      `hotpush.toml`; may be repeated
    * `--group NAME` - push to the devices of this group of `hotpush.toml`; may be repeated
    * `--discover` - push also to devices that are found on the network and that you confirmed
      once: each is asked for at a terminal, and never in a pipe. Those that are named or confirmed
      are pushed to, the rest is listed. See `mix hotpush.devices`
    * `--module MODULE` - only this module (`Example.Foo`, `Elixir.Example.Foo`, `:erlang_mod`), or
      with `.*` at the end those under it; may be repeated
    * `--app APP` - only this application; may be repeated. A development-only dependency is
      pushed by this option alone
    * `--all` - push also what does not differ
    * `--dry-run` - say what would be done, what would be refused, and whom `--purge kill` would
      end; change nothing
    * `--json PATH` - write one JSON document, in every case; its schema is
      `priv/report.schema.json`. With `-`, standard output is the document and nothing else
    * `--no-compile` - push what was compiled last
    * `--timeout MS` - milliseconds for each device, 30000 by default
    * `--wait [SECONDS]` - as long as a device boots (it cannot be reached yet), or somebody else's
      push runs there, try again, for 60 seconds by default. It is said once what is waited for. A
      wrong cookie or an unknown host key is not waited for
    * `--purge soft|kill` - what becomes of processes that still run code which the push *before*
      replaced. `soft` (the default) refuses, and names them; `kill` ends them, and names them
    * `--force` - past the refusals that can be forced: another Elixir version, another build
      target, another project's device, native code already loaded, a protocol that would lose
      implementations or gain some that do not go along, the removal of a module that is still needed there
    * `--docs` - keep the documentation in what is sent, as `strip_beams: [keep: ["Docs"]]` in a
      release of the project does. (`h` in IEx on the device reads the firmware's file all the same.)
    * `--cookie COOKIE` - the devices' cookie, in quotes if it has a space; a host goes before this
      option. Other users of this computer may see it among the running programs: `HOTPUSH_COOKIE`
      is better. The programs that are started here, such as ssh, are given no variable with COOKIE
      in its name
    * `--verbose` - also say why, what took how long, and of a refused push what would have been
      done; and list all modules where there are more than 20
    * `--quiet` - only say what went wrong

  ## What is pushed

  Every module of the project's runtime applications: its own, those of an umbrella, and its
  runtime dependencies, with the consolidated protocols. Not those of Erlang and Elixir, not
  dependencies with `runtime: false` or an `only:` without `:prod`, not the modules in `discovery:`.

  Modules that the project no longer has are removed from the device. If a process, a supervisor or
  a handler there still needs one, as after a GenServer was renamed, the push is refused and names
  it: stop it on the device, or update the firmware.

  ## What it does not do

  Nothing is executed again: processes keep their state and go on with the new code at their next
  call into it; supervisors keep their child specifications; configuration is not read again. The
  code is in the device's memory: after a reboot it runs its firmware.

  Over Erlang distribution each side can do anything to the other: push only to devices that you
  trust, over networks that you trust. Over ssh the device can do nothing to this computer: what it
  answers is read as data.

  ## For programs

  `--json` writes a document in every case, also where the command is wrong or the project does not
  compile. In a file, it says `"ok":false` from the start until the command has ended, so that none
  of an earlier run stays. Where the file cannot be written, nothing is compiled or pushed. With
  `-`, all other text, that of the compiler included, goes to standard error.

  Mix compiles dependencies that changed before it starts the command. With `MIX_QUIET=1`, it is
  silent about that on standard output; where that fails, there is no command to write a document,
  and the exit status says so.

  ## Exit status

    * 0 - every device runs the code, also if nothing differed
    * 1 - at least one device does not, or it is unknown (its answer was lost, and it could not be
      asked again), or the project does not compile
    * 2 - the command or the configuration is wrong
    * 143 - the command was ended by SIGTERM

  Ctrl-C brings up the VM's own menu, which no program in it can change: a second one ends the
  command. With `ELIXIR_ERL_OPTIONS=+Bd` in the environment the first one does, with status 130 in a
  shell; in a script without a terminal, set it as well, since the menu ends with 0 there. However
  the command ends, the device either carries out all of a push or nothing of it.
  """

  use Mix.Task

  alias Hotpush.{CLI, Config, Error, Push, Report}
  alias Hotpush.Project.{Builder, Workspace}
  alias Hotpush.Push.Stopwatch
  alias Hotpush.Discovery.Devices.Table
  alias Hotpush.Discovery.{Choice, Confirmed}
  alias Hotpush.Report.{Document, Lines}

  @impl true
  def run(argv), do: CLI.attended(fn -> upload(argv) end)

  defp upload(argv) do
    CLI.command(Config.Arguments.json(argv), &Document.of_error/1, fn ->
      case Workspace.config(argv) do
        {:ok, config} -> start(config)
        {:error, error} -> fail(error)
      end
    end)
  end

  defp start(config) do
    CLI.left_out(config)
    if config.discover?, do: discover(config), else: push(config)
  end

  # Who is found but neither named nor confirmed is listed, and offered nothing.
  defp discover(config) do
    ask = if config.json != "-" and Choice.terminal?(), do: &Mix.shell().yes?(&1, default: :no)

    with :ok <- Workspace.check(),
         :ok <- Builder.compile(config),
         :ok <- Workspace.load_ways(config),
         {:ok, confirmed} <- Confirmed.read(Confirmed.path(System.get_env())) do
      {config, rows, errors} = Choice.make(config, confirmed, ask)
      unless config.json == "-", do: CLI.say(Table.add(rows))
      Enum.each(errors, &CLI.complain/1)

      if config.routes == [],
        do: fail(Error.new(:usage, "--discover", :none_confirmed)),
        else: push(config)
    else
      {:error, error} -> fail(error)
    end
  end

  defp push(config) do
    with :ok <- Workspace.check(),
         {:ok, report} <- Push.run(config, since()) do
      CLI.say(Lines.of(report))
      {Report.exit_status(report), Document.of(report)}
    else
      {:error, error} -> fail(error)
    end
  end

  # In a shell, nobody has waited since the VM was started.
  defp since do
    if Code.ensure_loaded?(IEx) and IEx.started?(), do: [], else: [since: Stopwatch.started()]
  end

  # Perhaps before anything was compiled.
  defp fail(error) do
    Workspace.consolidate()
    CLI.complain(error)
    {Report.exit_status(error), Document.of_error(error)}
  end
end
