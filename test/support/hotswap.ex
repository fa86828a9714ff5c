defmodule Hotpush.Test.Hotswap do
  @moduledoc """
  Runs the real `mix upload.hotswap` in a generated project, and checks what holds for every run.

  A node and its cookie are passed as a user would, with `--node` and `HOTPUSH_COOKIE`, and a device
  behind ssh by its address; `mix/3` of `Hotpush.Test.Project` passes neither.
  """

  import ExUnit.Assertions

  alias Hotpush.Test.{Device, Project, SshDevice}

  @type device :: Device.t() | SshDevice.t()

  # What the VM and Mix write after an uncaught error.
  @traces ["** (", "(stdlib", "(elixir ", "(mix ", "(hotpush ", "[error]", "CRASH REPORT"] ++
            ["=ERROR REPORT", "Supervisor:", "warning:"]

  # Validates the document, and writes it as a term that Elixir reads.
  @check ~S"""
  import json, sys, jsonschema
  schema, document = [json.load(open(path)) for path in sys.argv[1:]]
  jsonschema.Draft7Validator.check_schema(schema)
  errors = list(jsonschema.Draft7Validator(schema).iter_errors(document))
  if errors:
      print([error.message for error in errors])
      sys.exit(1)
  def term(value):
      if isinstance(value, dict):
          return "%{" + ", ".join(term(k) + " => " + term(v) for k, v in value.items()) + "}"
      if isinstance(value, list):
          return "[" + ", ".join(map(term, value)) + "]"
      if value is None:
          return "nil"
      return json.dumps(value).replace("#{", "\\#{")
  print(term(document))
  """

  @doc "Runs it for a device. Returns the output, including standard error, and the exit status."
  @spec push(Project.t(), device, [String.t()], map) :: {String.t(), non_neg_integer}
  def push(project, device, args \\ [], env \\ %{}) do
    {name, named, environment, secrets} = reach(device)
    run(project, named ++ [name | args], Map.merge(environment, env), secrets)
  end

  defp reach(%Device{} = device) do
    cookie = to_string(device.cookie)
    {to_string(device.node), ["--node"], %{"HOTPUSH_COOKIE" => cookie}, [cookie]}
  end

  defp reach(%SshDevice{} = device),
    do: {SshDevice.address(device), [], SshDevice.env(device), []}

  @doc "The same as `push/4`, but returns only the output, and fails unless the exit status is 0."
  @spec push!(Project.t(), device, [String.t()], map) :: String.t()
  def push!(project, device, args \\ [], env \\ %{}) do
    {output, status} = push(project, device, args, env)
    assert status == 0, "exit status #{status}:\n#{output}"
    output
  end

  @doc "Pushes again: nothing differs, and no code is sent. Every test of a change ends with this."
  @spec again(Project.t(), device, [String.t()], map) :: String.t()
  def again(project, device, args \\ [], env \\ %{}) do
    output = push!(project, device, args, env)
    {name, _, _, _} = reach(device)

    assert output =~
             ~r/^Nothing differs on #{Regex.escape(name)}: \d+ modules? checked .*1 round trip\)$/m

    refute output =~ "Successfully d"
    output
  end

  # A session would tell other times, or leave out what Mix does when it starts.
  @apart ~w(--verbose --json --no-compile --discover)

  # Variables that are read when the command runs, not when Mix starts.
  @read_late ~w(HOTPUSH_COOKIE PATH)

  @doc """
  Runs it with only `args`. Fails if the output has one of the `secrets`, or a stack trace.

  It may run in a VM that stays, see `Hotpush.Test.Project.Session`.
  """
  @spec run(Project.t(), [String.t()], map, [String.t()]) :: {String.t(), non_neg_integer}
  def run(project, args, env \\ %{}, secrets \\ []) do
    command = ["upload.hotswap" | args]
    late? = Enum.all?(Map.keys(env), &(&1 in @read_late)) and not Enum.any?(args, &(&1 in @apart))

    ran = if late?, do: Project.mix_in_session(project, command, env), else: :none
    {output, status} = if ran == :none, do: Project.mix(project, command, env), else: ran
    decent(output, secrets)
    {output, status}
  end

  @doc "The same as `run/4`, with separate standard output and standard error."
  @spec run_apart(Project.t(), [String.t()], map, [String.t()]) ::
          {String.t(), String.t(), non_neg_integer}
  def run_apart(project, args, env \\ %{}, secrets \\ []) do
    {output, errors, status} = Project.mix_apart(project, ["upload.hotswap" | args], env)
    decent(output <> errors, secrets)
    {output, errors, status}
  end

  @doc "What holds for every output: no stack trace, no secret."
  @spec decent(String.t(), [String.t()]) :: :ok
  def decent(output, secrets) do
    for secret <- secrets, do: refute(output =~ secret, "the cookie shows in:\n#{output}")
    for trace <- @traces, do: refute(output =~ trace, "a user sees #{trace} in:\n#{output}")
    :ok
  end

  @doc "The modules that the output calls deployed."
  @spec deployed(String.t()) :: [String.t()]
  def deployed(output), do: said(output, ~r/^Successfully deployed (\S+) to \S+$/m)

  @doc "The modules that the output calls deleted."
  @spec deleted(String.t()) :: [String.t()]
  def deleted(output), do: said(output, ~r/^Successfully deleted (\S+) from \S+$/m)

  @doc "The modules that the output would deploy."
  @spec planned(String.t()) :: [String.t()]
  def planned(output), do: said(output, ~r/^Would deploy (\S+) to \S+ \(.+\)$/m)

  @doc "The JSON document in the file `path`, checked against a schema, as a term."
  @spec json(Path.t(), String.t()) :: map
  def json(path, schema \\ "report.schema.json") do
    {answer, status} =
      System.cmd("/usr/bin/python3", [
        "-c",
        @check,
        Path.join([Project.Source.hotpush(), "priv", schema]),
        path
      ])

    assert status == 0, "not as the schema has it: #{answer}\n#{File.read!(path)}"
    {term, _} = Code.eval_string(answer)
    term
  end

  defp said(output, pattern), do: for([_, module] <- Regex.scan(pattern, output), do: module)
end
