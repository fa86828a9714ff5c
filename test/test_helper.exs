alias Hotpush.Test.{DeviceLogs, Epmd, Run}

# What this machine lacks is said, and only the tests that need it are left out.
missing =
  for {tag, program} <- [cargo: "cargo", perl: "perl", setsid: "setsid"],
      is_nil(System.find_executable(program)) do
    IO.puts(:stderr, "MISSING: #{program}; the tests tagged :#{tag} do not run")
    tag
  end

# The schema of the JSON report is checked by Debian's python3-jsonschema.
schema_check =
  case System.cmd("sh", ["-c", "/usr/bin/python3 -c 'import jsonschema'"], stderr_to_stdout: true) do
    {_, 0} ->
      []

    _ ->
      IO.puts(:stderr, "MISSING: python3-jsonschema; the tests tagged :jsonschema do not run")
      [:jsonschema]
  end

Epmd.ensure()
Run.root()
DeviceLogs.open()

ExUnit.start(
  exclude: missing ++ schema_check,
  formatters: [ExUnit.CLIFormatter, DeviceLogs],
  timeout: 120_000
)
