defmodule Hotpush.JsonTest do
  @moduledoc "What a program gets: one document in every case, and nothing beside it."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Run}

  @moduletag :jsonschema

  @quiet "defmodule Desk do\n  def hi, do: 1\nend\n"

  # Whatever a compilation may print, by whatever way.
  @loud ~S"""
  defmodule Desk do
    require Logger
    IO.puts("by the group leader")
    IO.puts(:user, "by name")
    :io.format("in Erlang~n", [])
    Logger.info("by Elixir's logger")
    :logger.warning("by Erlang's logger")
    Mix.shell().info("by Mix")
    Task.await(Task.async(fn -> IO.puts("by another process") end))
    def hi, do: 2
    defp unused, do: :warned
  end
  """
  @said ["by the group leader", "by name", "in Erlang", "by Elixir's logger"] ++
          ["by Erlang's logger", "by Mix", "by another process", "unused", "Compiling 1 file"]

  @ways ~S"""
  defmodule Ways do
    @behaviour Hotpush.Discovery
    @impl true
    def discover(_options) do
      IO.puts("looking around")
      []
    end
  end
  """

  setup_all do
    files = %{"lib/desk.ex" => @quiet, "lib/ways.ex" => @ways}
    config = "import Config\nconfig :hotpush, discovery: [Ways]\n"
    project = Project.new(app: :desk, files: files, config: config)
    device = Device.start(release: Project.release(project))
    %{project: project, device: device, path: Path.join(Run.dir("json"), "report.json")}
  end

  defp push_apart(context, args, env \\ %{}) do
    cookie = to_string(context.device.cookie)
    env = Map.put(env, "HOTPUSH_COOKIE", cookie)
    args = ["upload.hotswap", "--node", to_string(context.device.node) | args]
    {output, errors, status} = Project.mix_apart(context.project, args, env)
    refute output <> errors =~ cookie
    {output, errors, status}
  end

  # The whole of standard output, or of a file.
  defp document(text, schema \\ "report.schema.json") do
    assert [_] = String.split(text, "\n", trim: true)
    path = Path.join(Run.dir("json"), "document")
    File.write!(path, text)
    json(path, schema)
  end

  test "with -, standard output is the document; the rest is on standard error", context do
    Project.write(context.project, "lib/desk.ex", @loud)
    {output, errors, 0} = push_apart(context, ["--json", "-", "--verbose"], %{"USER" => "ada"})
    assert %{"ok" => true, "devices" => [%{"loaded" => ["Elixir.Desk"]}]} = document(output)
    for text <- @said, do: assert(errors =~ text)
    assert errors =~ "Successfully deployed Elixir.Desk to #{context.device.node}"

    {output, errors, 0} = push_apart(context, ["--json", "-"], %{"MIX_QUIET" => "1"})
    assert %{"ok" => true, "devices" => [%{"loaded" => []} = device]} = document(output)
    assert %{"by" => "ada@" <> _, "project" => "desk 0.1.0"} = device["last_push"]
    # (Elixir 1.20 repeats the warning.)
    refute errors =~ "Successfully"
    Project.edit(context.project, "lib/desk.ex", "defp unused, do: :warned", "def ho, do: 3")
    told = push!(context.project, context.device, [], %{"USER" => "bob"})

    assert told =~
             ~r/^note: \S+ was last pushed by ada@\S+ \d+ \w+ ago \("desk 0.1.0", build \w+\)$/m

    again(context.project, context.device)
  end

  test "a document of a run that failed takes the place of an older one", context do
    %{project: project, device: device, path: path} = context
    File.write!(path, ~S({"ok":true}))
    Project.write(project, "lib/desk.ex", "defmodule Desk do\n  def hi, do: nobody()\nend\n")
    {output, errors, 1} = push_apart(context, ["--json", path])

    assert %{"ok" => false, "devices" => [], "error" => %{"kind" => "compile"} = error} =
             json(path)

    assert error["message"] =~ "the project does not compile, so nothing was pushed"
    assert errors =~ error["message"]
    assert output <> errors =~ "lib/desk.ex"
    refute output <> errors =~ ~r/Successfully|\(hotpush /

    # What ends the VM ends it before anything could be written.
    File.write!(path, ~S({"ok":true}))
    kill = ~S|System.cmd("kill", ["-KILL", System.pid()]); Process.sleep(:infinity)|
    Project.write(project, "lib/desk.ex", "defmodule Desk do\n  #{kill}\nend\n")
    {_, status} = push(project, device, ["--json", path])
    assert status != 0
    assert %{"ok" => false, "error" => %{"kind" => "unfinished"}} = json(path)

    Project.edit(project, "lib/desk.ex", "-KILL", "-TERM")
    {output, _, 143} = push_apart(context, ["--json", "-"])
    assert %{"ok" => false, "error" => %{"kind" => "unfinished"}} = document(output)

    File.write!(path, ~S({"ok":true}))
    {_, 2} = push(project, device, ["--json", path, "--colour"])
    assert %{"ok" => false, "error" => %{"kind" => "unknown_option"}} = json(path)

    Project.write(project, "lib/desk.ex", @quiet)
    push!(project, device)
    again(project, device)
  end

  test "the phases sum to what whoever typed it waited for, dependencies included" do
    slow = fn n -> "defmodule Slow do\n  Process.sleep(700)\n  def v, do: #{n}\nend\n" end
    deps = [{:slow, [], files: %{"lib/slow.ex" => slow.(1)}}]
    files = %{"lib/main.ex" => "defmodule Main do\nend\n"}
    project = Project.new(app: :main, files: files, deps: deps)
    device = Device.start(release: Project.release(project))
    path = Path.join(Run.dir("json"), "report.json")
    Project.write(project, "../slow/lib/slow.ex", slow.(2))

    {micros, _} = :timer.tc(fn -> push!(project, device, ["--json", path]) end)
    assert %{"devices" => [%{"loaded" => ["Elixir.Slow"], "ms" => ms}]} = json(path)
    waited = Enum.sum(Map.values(ms))
    assert waited >= 700
    assert waited <= micros / 1000
    again(project, device)
  end

  test "a path that cannot be written is said before anything is done", context do
    %{project: project, device: device, path: path} = context
    Project.write(project, "lib/desk.ex", "defmodule Desk do\n  def hi, do: 7\nend\n")

    {output, 2} = push(project, device, ["--json", Path.dirname(path)])
    assert output =~ "--json could not write #{Path.dirname(path)}: "
    refute output =~ ~r/Compiling|Successfully/

    assert Device.call(device, Desk, :hi, []) != 7
  end

  test "whoever reads from a pipe gets one document", context do
    pipe = Path.join(Run.dir("json"), "pipe")
    {_, 0} = System.cmd("mkfifo", [pipe])
    reader = Task.async(fn -> System.cmd("timeout", ["100", "cat", pipe]) end)
    push!(context.project, context.device, ["--json", pipe, "--dry-run"])
    assert %{"ok" => true, "dry_run" => true} = document(elem(Task.await(reader, :infinity), 0))
  end

  describe "mix hotpush.devices --json" do
    @schema "devices.schema.json"

    defp devices(context, args),
      do: Project.mix_apart(context.project, ["hotpush.devices", "--only", "epmd" | args])

    test "likewise", %{path: path} = context do
      {output, errors, 0} =
        Project.mix_apart(context.project, ["hotpush.devices", "--timeout", "1000", "--json", "-"])

      assert %{"ok" => true} = document(output, @schema)
      assert errors =~ "looking around"

      File.write!(path, ~S({"ok":true}))
      {_, errors, 2} = devices(context, ["--colour", "--json", path])
      assert %{"ok" => false, "errors" => [%{"message" => message}]} = json(path, @schema)
      assert errors =~ message
      {output, _, 2} = devices(context, ["--only", "smoke", "--json", "-"])
      assert %{"ok" => false} = document(output, @schema)
    end
  end
end
