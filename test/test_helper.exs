alias Hotpush.Test.{Adb, DeviceLogs, Epmd, Netns, Run}

Hotpush.Application.ensure_started()

# What this machine lacks is said, and only the tests that need it are left out.
missing =
  for {tag, program} <- [
        cargo: "cargo",
        perl: "perl",
        setsid: "setsid",
        ssh: "ssh",
        openssl: "openssl"
      ],
      is_nil(System.find_executable(program)) do
    IO.puts(:stderr, "MISSING: #{program}; the tests tagged :#{tag} do not run")
    tag
  end

# Debian's python3-jsonschema checks the JSON report, and util-linux' script makes terminals.
unable =
  for {tag, what, command} <- [
        {:jsonschema, "python3-jsonschema", "/usr/bin/python3 -c 'import jsonschema'"},
        {:terminal, "pseudo terminals by script", "script -qefc true /dev/null </dev/null"}
      ],
      {_, status} = System.cmd("sh", ["-c", command], stderr_to_stdout: true),
      status != 0 do
    IO.puts(:stderr, "MISSING: #{what}; the tests tagged :#{tag} do not run")
    tag
  end

# Root's rights and the kernel's consent, for networks of their own.
no_netns =
  if why = Netns.missing() do
    IO.puts(:stderr, """
    MISSING: #{why}
    Discovery is NOT tested against a real avahi-daemon: the tests tagged :netns do not run.\
    """)

    [:netns]
  else
    []
  end

no_adb =
  if why = Adb.missing() do
    IO.puts(:stderr, """
    MISSING: #{why}
    adb is NOT tested against real adb and adbd: the tests tagged :adb do not run.\
    """)

    [:adb]
  else
    []
  end

Adb.server()
Epmd.ensure()
Run.root()
DeviceLogs.open()

ExUnit.start(
  exclude: missing ++ unable ++ no_netns ++ no_adb,
  formatters: [ExUnit.CLIFormatter, DeviceLogs],
  timeout: 120_000
)
