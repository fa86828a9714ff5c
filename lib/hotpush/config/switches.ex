defmodule Hotpush.Config.Switches do
  @moduledoc """
  The table of all options: of every command, and of the functions in `Hotpush`. Pure.

  Each row is one option: its name (`dry_run` is `--dry-run` on the command line, and `dry_run:` in a
  function), its type, who takes it, the name of its value in the manual, its type in messages, and its
  text in the manual. `Hotpush.Config.Switch` reads the rows.

  All functions take the same options, so that one list can be passed to several of them. `:on` is a flag
  that is on unless `--no-NAME` is given.
  """

  @push ["upload.hotswap", :functions]

  # The VM waits at most 2^32 - 1 ms at a time, and some waits are a little longer than this one.
  @longest 4_000_000_000
  @ten_minutes 600_000

  @rows [
    {:ssh, {:many, :text}, @push, "HOST", "[user@]host[:port], as in nerves.local",
     """
     push to this host by ssh, as for `HOST` alone; may be repeated
     """},
    {:node, {:many, :text}, @push, "NAME",
     "a node name such as example@nerves.local, or a nickname of hotpush.toml",
     """
     push to this node, configured or not, or to the device of this name in `hotpush.toml`; may be
     repeated
     """},
    {:device, {:many, :text}, @push, "NAME", "the name of a device in your configuration",
     """
     push to the device of this name, however it is reached: a nickname of `hotpush.toml`, or a
     node, a host or a serial number that `hotpush.toml` or the config names; may be repeated
     """},
    {:group, {:many, :text}, @push, "NAME", "the name of a group of hotpush.toml",
     """
     push to the devices of this group of `hotpush.toml`; may be repeated
     """},
    {:discover, :flag, ["upload.hotswap"],
     """
     also push to devices that are found on the network and that you confirm once. At a terminal,
     the command asks you about each new device; in a pipe, it never asks. It pushes to the devices
     that are named or confirmed, and lists the others. See `mix hotpush.devices`
     """},
    {:module, {:many, :text}, @push, "MODULE", "a module name such as Example.Foo or :erlang_mod",
     """
     push only this module (`Example.Foo`, `Elixir.Example.Foo`, `:erlang_mod`), or, with `.*` at
     the end, the modules under it; may be repeated
     """},
    {:app, {:many, :name}, @push, "APP", "the name of an application",
     """
     push only this application; may be repeated. This is the only way to push a development-only
     dependency
     """},
    {:watch, :flag, ["upload.hotswap"],
     """
     push once, and then after each save, until you press `q` and Enter or the input ends
     """},
    {:all, :flag, @push,
     """
     also push modules that do not differ
     """},
    {:dry_run, :flag, @push,
     """
     report what a push would do, what it would refuse, and which processes `--purge kill` would
     end; change nothing
     """},
    {:json, :text, ["upload.hotswap"], "PATH", "a path, or - for standard output",
     """
     write one JSON document, in every case. Its schema is `priv/report.schema.json` in Hotpush's
     folder. With `-`, standard output is the document and nothing else
     """},
    {:compile, :on, @push,
     """
     push what was compiled last
     """},
    {:timeout, 1..@longest, @push, "MS", "a positive number of milliseconds",
     """
     milliseconds for each device, 30000 by default
     """},
    {:wait, {1..div(@longest, 2000), 60}, @push, "[SECONDS]",
     "a positive number of seconds, or nothing (60)",
     """
     try again while a device boots (and cannot be reached yet) or while somebody else's push runs
     there, for 60 seconds by default. The command says once what it waits for. It does not wait
     after a wrong cookie or an unknown host key
     """},
    {:purge, ["soft", "kill"], @push, "soft|kill", "soft or kill",
     """
     what to do with processes that still run code which the push *before* this one replaced.
     `soft` (the default) refuses the push and names the processes; `kill` ends them and names them
     """},
    {:force, :flag, @push,
     """
     override the refusals that can be overridden: another Elixir version, another build target,
     another project's device, native code that is already loaded, a module named like one of
     Elixir's or Erlang/OTP's, a protocol that would lose implementations or gain some that are not
     part of the push, the removal of a module that the device still needs
     """},
    {:docs, :flag, @push,
     """
     keep the documentation in the modules that are sent, as `strip_beams: [keep: ["Docs"]]` in a
     release of the project does. (`h` in IEx on the device still reads the firmware's file.)
     """},
    {:cookie, :text, @push, "COOKIE", "the device's cookie",
     """
     the cookie of the devices. Quote a cookie that has a space, and put a `HOST` before this
     option. `HOTPUSH_COOKIE` is better, since other users of this computer may see the option in
     the list of running programs. Programs that the command starts, such as ssh, get no
     environment variable with COOKIE in its name, or that `cookie_env` names
     """},
    {:verbose, :flag, @push,
     """
     also print reasons, how long each step took, and what a refused push would have done; list all
     modules, even if there are more than 20
     """},
    {:quiet, :flag, @push,
     """
     print only what went wrong
     """},
    {:only, {:many, ["mdns", "epmd", "adb"]}, ["hotpush.devices"], "WAY", "mdns or epmd or adb",
     """
     look only with `mdns`, `epmd` or `adb`; may be repeated
     """},
    {:timeout, 1..@ten_minutes, ["hotpush.devices"], "MS",
     "a number of milliseconds, at most #{@ten_minutes}",
     """
     milliseconds for the whole command, 5000 by default, however many devices hang
     """},
    {:json, :text, ["hotpush.devices"], "PATH", "a path, or - for standard output",
     """
     write one JSON document, in every case (`-` is standard output, in place of the table). Its
     schema is `priv/devices.schema.json` in Hotpush's folder
     """},
    {:force, :flag, ["hotpush.init"],
     """
     replace an existing file, or write one for this child of an umbrella
     """},
    {:discover, :on, ["hotpush.init"],
     """
     do not look for devices; the file then has only examples
     """},
    {:timeout, 1..@ten_minutes, ["hotpush.init"], "MS",
     "a number of milliseconds, at most #{@ten_minutes}",
     """
     look for devices for this many milliseconds, 2000 by default
     """}
  ]

  @doc "The rows."
  @spec rows() :: [tuple()]
  def rows, do: @rows
end
