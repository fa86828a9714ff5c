defmodule Mix.Tasks.Upload.Hotswap do
  @shortdoc "Makes running devices run the code on disk, without a restart"

  alias Hotpush.Config.Switch

  @moduledoc """
  Makes running devices run the code on disk, without a restart.

      $ mix upload.hotswap nerves.local
      $ mix upload.hotswap --node example@nerves.local
      $ mix upload.hotswap

  The command compiles the project, asks each device what it *runs*, sends only the modules that
  differ, loads them in one step, and reads back what the device then runs. If you run it again, it
  reports that nothing differs, and sends no code.

  ## Hosts and nodes

  `mix upload.hotswap [USER@]HOST[:PORT]` reaches a device as `mix upload HOST` does: by your own
  `ssh`, with your keys, your `~/.ssh/config` and your known hosts. This works with any Nerves
  device as it is. The device needs no distribution and no cookie, and nothing stays on it but the
  code. You can name several hosts, each with a port if it is not the usual one:
  `nerves.local:2222`.

  `ssh` cannot ask you for a password. If a key has a passphrase, load the key with `ssh-add`, or
  set `SSH_ASKPASS`, which works with and without a screen.

  `--node NAME` reaches a node that is up, over Erlang distribution.

  If you name neither a host nor a node, the command pushes to the devices of `hotpush.toml`. If
  there are none, it pushes to the devices of the config, and if there are none either and
  `MIX_TARGET` is set, to `nerves.local`.

  ## Configuration

      # config/config.exs
      if config_env() == :dev do
        config :hotpush,
          app_name: :example,
          nodes: [:"example@nerves.local"],
          cookie: :"secret token shared between nodes"
      end

    * `app_name` - the application, or a list of applications; by default the Mix project's
    * `nodes` - the nodes to push to if the command line names no device
    * `ssh` - hosts, written as on the command line
    * `cookie` - the cookie of the devices
    * `discovery` - the project's own modules that find devices: see `mix hotpush.devices`
    * `note` - `false` leaves out the note of who pushed last, see below

  Any other key is an error. A project with `config :mix_tasks_upload_hotswap` and the same keys
  works unchanged.

  The command looks for the cookie in `--cookie`, the environment variable `HOTPUSH_COOKIE`,
  `hotpush.toml`, the config, and `~/.erlang.cookie`, in this order. It never prints the cookie. If
  `hotpush.toml` refers to a variable or a file that does not exist, only the devices that need that
  cookie fail.

  ## hotpush.toml

  The settings in `config/config.exs` apply to everybody, and are compiled into firmware. Put the
  devices on your own desk into `hotpush.toml`, beside `mix.exs` (or beside the `mix.exs` of the
  umbrella):

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

  `mix hotpush.init` writes this file, with the devices that it finds, and keeps it out of git. You
  can then push to devices by these names; `mix upload.hotswap` alone pushes to every device of the
  file:

      $ mix upload.hotswap --device porch
      $ mix upload.hotswap --group all

  Each device has exactly one of `ssh`, `node` and `adb`, except that a device with `adb` may also
  have `node`, the name of the node that runs on it. Only you may have permission to read a file
  with a cookie, including `hotpush.toml`. The path of a `cookie_file` is relative to
  `hotpush.toml`.

  Precedence, highest first: command line, environment, `hotpush.toml`, Mix config. The devices of
  `hotpush.toml` replace the `nodes` of the config. An unknown key, and a name that does not exist,
  is an error with its line and column.

  The native library reads the file. Without the library, you can still push to devices of the
  command line and of the config; a note then tells you that the file was not read.

  ## Who pushed last

  A push that changes something notes on the device who made it: your user name, the name of this
  computer, the project's applications and versions, digests of its code and of its folder's name,
  and when. The note is gone when the device restarts. The next push that replaces the work of
  somebody else, or yours from another folder, says so, and `mix hotpush.devices` shows it. To leave
  the note out:

      config :hotpush, note: false

  ## Options

  #{Switch.manual("upload.hotswap")}

  ## What is pushed

  The command pushes every module of the project's runtime applications: its own modules, those of
  an umbrella, those of runtime dependencies, and the consolidated protocols. It does not push the
  modules of Erlang and Elixir, dependencies with `runtime: false` or with an `only:` without
  `:prod`, and the modules in `discovery:`.

  It removes modules from the device that the project no longer has. If a process, a supervisor or a
  handler on the device still needs such a module, for example after you renamed a GenServer, it
  refuses the push and names the process. Stop that process on the device, or update the firmware.

  Mix cannot see that a source changed if you save it again in the second in which it was compiled
  and its size stays the same. The command sets the time of such a file to one second after that
  compilation, so that Mix compares its content.

  ## Watching

  With `--watch`, the command pushes once, and then again whenever you save. A push that changes
  something is a line:

      reloaded 1 of 214 modules on nerves.local in 84 ms (compile 52 ms, push 31 ms)

  It watches the folders with the sources of your project, of its children in an umbrella, and of its
  path dependencies. If the project does not compile, the devices keep what they run, and the next
  push has all changes since. A device that cannot be reached is tried again every two seconds, and
  is brought up to date when it is back. Press `p` and Enter to push at once, for example after a
  change in a file that the command does not watch, and `q` and Enter to quit. The command also ends
  with its input, so keep its input open in a script. The exit status is then 0, whatever the last
  push came to.

  If you change `mix.exs`, `mix.lock`, `hotpush.toml` or a file in `config/`, the command starts again
  by itself, since these files are read only when it starts.

  ## What it does not do

  Nothing is executed again. Processes keep their state and run the new code from their next call
  into it, supervisors keep their child specifications, and configuration is not read again. The
  code is in the device's memory only: after a reboot, the device runs its firmware.

  Over Erlang distribution, each side can do anything to the other: push only to devices that you
  trust, over networks that you trust. Over ssh, the device can do nothing to this computer: the
  command reads its answers as data.

  ## For programs

  `--json` writes a document in every case, even if the command line is wrong or the project does
  not compile. A file says `"ok":false` from the start until the command has ended, so you never
  read the result of an earlier run. If the file cannot be written, the command compiles and pushes
  nothing. With `-`, all other text, including the compiler's, goes to standard error.

  Mix compiles changed dependencies before it starts the command. Set `MIX_QUIET=1` to keep Mix's
  messages about this off standard output. If this compilation fails, the command does not start and
  writes no document, but the exit status reports the failure.

  ## Exit status

    * 0 - every device runs the code, also if nothing differed
    * 1 - at least one device does not run it, or the result is unknown (the device's answer was lost
      and the device could not be asked again), or the project does not compile
    * 2 - the command or the configuration is wrong
    * 143 - SIGTERM ended the command

  Ctrl-C opens the menu of the Erlang VM, which no program can change; press Ctrl-C again to end the
  command. With `ELIXIR_ERL_OPTIONS=+Bd` in the environment, the first Ctrl-C ends the command, with
  status 130 in a shell. Set it in scripts without a terminal too, since the menu exits with 0 there.
  However the command ends, the device carries out either the whole push or none of it.

  ## Guides

  The guides are in Hotpush's folder: see `deps/hotpush/README.md` and `deps/hotpush/guides` (or the
  folder that `path:` names).
  """

  use Mix.Task

  alias Hotpush.{CLI, Config, Error, Push, Report, Watch}
  alias Hotpush.CLI.Keys
  alias Hotpush.Config.Arguments
  alias Hotpush.Project.{Builder, Workspace}
  alias Hotpush.Push.Stopwatch
  alias Hotpush.Discovery.Devices.Table
  alias Hotpush.Discovery.{Choice, Confirmed}
  alias Hotpush.Report.{Document, Lines}

  @impl true
  def run(argv), do: CLI.attended(fn -> upload(argv) end)

  defp upload(argv) do
    CLI.command(Arguments.json("upload.hotswap", argv), &Document.of_error/1, fn ->
      case config(argv) do
        {:ok, config} ->
          CLI.left_out(config)
          restart = fn -> with {:ok, _config} <- config(argv), do: CLI.restart() end
          if config.discover?, do: discover(config, restart), else: push(config, restart)

        {:error, error} ->
          fail(error)
      end
    end)
  end

  defp config(argv) do
    with {:ok, given} <- Arguments.parse("upload.hotswap", argv),
         {:ok, config} <- Workspace.config(given),
         do: if(given.discover, do: {:ok, config}, else: Config.to_push(config))
  end

  # Devices that are found but neither named nor confirmed are listed, and offered nothing.
  defp discover(config, restart) do
    ask = if config.json != "-" and Choice.terminal?(), do: &Mix.shell().yes?(&1, default: :no)

    with :ok <- Workspace.check(),
         :ok <- Builder.compile(config),
         :ok <- Workspace.load_ways(config),
         {:ok, confirmed} <- Confirmed.read(Confirmed.path(System.get_env())) do
      {config, rows, errors} = Choice.make(config, confirmed, ask)
      unless config.json == "-", do: CLI.say(Table.add(rows))
      Enum.each(errors, &CLI.complain/1)

      if config.targets == [],
        do: fail(Error.new(:usage, "--discover", :none_confirmed)),
        else: push(config, restart)
    else
      {:error, error} -> fail(error)
    end
  end

  defp push(%{watch?: true} = config, restart) do
    case Workspace.check() do
      :ok ->
        {:ok, _} = Keys.start_link()
        Watch.run(config, &CLI.say/1, since(), restart)
        {0, []}

      {:error, error} ->
        fail(error)
    end
  end

  defp push(config, _restart) do
    with :ok <- Workspace.check(),
         {:ok, report} <- Push.run(config, since()) do
      CLI.say(Lines.of(report))
      {Report.exit_status(report), Document.of(report)}
    else
      {:error, error} -> fail(error)
    end
  end

  # In a shell, the user has not been waiting since the VM started.
  defp since do
    if Code.ensure_loaded?(IEx) and IEx.started?(), do: [], else: [since: Stopwatch.started()]
  end

  # This may run before anything is compiled.
  defp fail(error) do
    Workspace.consolidate()
    CLI.complain(error)
    {Report.exit_status(error), Document.of_error(error)}
  end
end
