defmodule Hotpush.DiscoveryGuideTest do
  @moduledoc "What guides/discovery.md says is typed, is typed here; its module is compiled and used."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Project, Run}

  @root Path.expand("../..", __DIR__)
  @guide File.read!(Path.join(@root, "guides/discovery.md"))

  defp blocks(language) do
    for [_, block] <- Regex.scan(~r/```#{language}\n(.*?)```/s, @guide), do: block
  end

  defp commands do
    for block <- blocks("sh"), "$ mix " <> line <- String.split(block, "\n") do
      line |> String.split("#") |> hd() |> OptionParser.split()
    end
  end

  # Beside the guide's module one that nobody has written.
  @gone """

  if System.get_env("GONE"), do: config(:hotpush, discovery: [MyApp.Fleet, MyApp.Gone])
  """

  setup_all do
    [module, config] = blocks("elixir")
    [paths] = Regex.run(~r/elixirc_paths: if\(.*\)(?=`)/, @guide)

    project =
      Project.new(
        app: :my_app,
        files: %{
          "lib/my_app.ex" => "defmodule MyApp do\nend\n",
          "dev/fleet.ex" => module,
          "fleet.txt" => "kiosk-17.example 192.0.2.17\n"
        },
        project: paths,
        config:
          "import Config\nif System.get_env(\"BEFORE\") == nil do\n#{config}\nend\n" <> @gone
      )

    %{project: project, release: Project.release(project)}
  end

  test "each command works, and the module's devices are listed", %{project: project} do
    assert [_, _, _, ["upload.hotswap", "--discover"]] = commands()

    for [task | _] = command <- commands() do
      {output, status} = Project.mix(project, command)
      Hotswap.decent(output, [])
      expected = if task == "upload.hotswap", do: 2, else: 0
      assert {expected, output} == {status, output}
      assert output =~ "192.0.2.17" or "--only" in command

      if command == ["hotpush.devices"],
        do: assert(output =~ ~r/^-  +fleet  +192.0.2.17  +192.0.2.17  /m)
    end
  end

  test "the module is pushed to no device, and leaves one that a push had brought it to",
       %{project: project, release: release} do
    device = Device.start(release: release)

    fleet? = fn ->
      Device.call(device, :erlang, :function_exported, [MyApp.Fleet, :discover, 1])
    end

    # The firmware has it, as it was built in development. That is nobody's concern.
    assert fleet?.()
    output = Hotswap.push!(project, device)
    assert [_, count] = Regex.run(~r/Nothing differs on .*: (\d+) modules checked/, output)
    Project.edit(project, "dev/fleet.ex", "fleet.txt", "fleets.txt")
    Project.write(project, "lib/helper.ex", "defmodule MyApp.Fleet.Helper do\nend\n")
    output = Hotswap.push!(project, device)
    assert output =~ "Successfully deployed Elixir.MyApp.Fleet.Helper to"
    assert output =~ "1 of #{String.to_integer(count) + 1} modules differed"
    refute output =~ "MyApp.Fleet to"
    {output, status} = Hotswap.push(project, device, ["--module", "MyApp.Fleet"])
    assert {2, output} == {status, output}
    assert output =~ "MyApp.Fleet finds devices (config :hotpush, discovery:)"

    # Before it was in the configuration, it was pushed like any other. (A variable changes what is
    # configured, since another file would have all of hotpush compiled again.)
    output = Hotswap.push!(project, device, [], %{"BEFORE" => "1"})
    assert output =~ "Successfully deployed Elixir.MyApp.Fleet to"
    Project.edit(project, "dev/fleet.ex", "fleets.txt", "fleet.txt")
    assert Hotswap.push!(project, device) =~ "Successfully deleted Elixir.MyApp.Fleet"
    refute fleet?.()
    Hotswap.again(project, device)
  end

  test "a project that is not compiled is said to be that", %{project: project} do
    build = %{"MIX_BUILD_PATH" => Path.join(project.dir, "_build/empty")}
    Project.prebuild(project, build["MIX_BUILD_PATH"])
    {output, 2} = Project.mix(project, ["hotpush.devices", "--timeout", "2000"], build)
    assert output =~ "run mix compile first"
  end

  @tag :jsonschema
  test "without the native library mDNS is said to be missing, and the others go on", context do
    path = Path.join(Run.dir("json"), "devices")
    command = ["hotpush.devices", "--json", path, "--timeout", "2000"]
    {output, 0} = Project.mix(context.project, command, %{"HOTPUSH_NATIVE" => "off"})
    assert output =~ "mDNS is not available: it needs the native library"
    assert output =~ ~r/^-  +fleet  +192.0.2.17/m
    Hotswap.decent(output, [])

    # Also in the document.
    devices = Hotswap.json(path, "devices.schema.json")["devices"]

    assert [%{"host" => "kiosk-17.example"} = device] =
             for(%{"found_by" => ["fleet"]} = d <- devices, do: d)

    assert %{"transport" => "ssh", "state" => "listed", "add" => "[device.device]\nssh = " <> _} =
             device
  end

  @tag :jsonschema
  test "a module that fails, one that is not compiled, and confirmations that anybody could write",
       %{project: project} do
    confirmed = Path.join(project.home, ".local/state/hotpush/confirmed")
    File.mkdir_p!(Path.dirname(confirmed))
    File.write!(confirmed, "hotpush confirmed 1\nssh 192.0.2.17 SHA256:a\n")
    File.chmod!(confirmed, 0o666)
    path = Path.join(Run.dir("json"), "devices")
    command = ["hotpush.devices", "--json", path, "--timeout", "2000"]
    File.rename!(Path.join(project.dir, "fleet.txt"), Path.join(project.dir, "away.txt"))
    {output, 0} = Project.mix(project, command, %{"GONE" => "1"})
    File.rename!(Path.join(project.dir, "away.txt"), Path.join(project.dir, "fleet.txt"))
    assert output =~ ~r/MyApp.Fleet failed: could not read file "fleet.txt"/

    assert output =~
             "the module MyApp.Gone is not compiled, so it cannot search: run mix compile"

    assert output =~
             "other users can write to #{confirmed} (mode 666), so no device counts as confirmed"

    File.rm!(confirmed)
    Hotswap.decent(output, [])
    assert [_ | _] = errors = Hotswap.json(path, "devices.schema.json")["errors"]
    assert "raised" in Enum.map(errors, & &1["kind"])
  end

  test "its links and what it says of the project hold" do
    assert @guide =~ "priv/devices.schema.json"
    assert File.exists?(Path.join(@root, "priv/devices.schema.json"))
    {:docs_v1, _, _, _, %{"en" => manual}, _, _} = Code.fetch_docs(Mix.Tasks.Hotpush.Devices)

    for way <- Hotpush.Discovery.Search.names(),
        do: assert(@guide =~ "| `#{way}` |" and manual =~ "`#{way}`")
  end
end
