defmodule Hotpush.InitTest do
  @moduledoc "The real `mix hotpush.init`."
  use ExUnit.Case, async: true

  alias Hotpush.Config.Toml
  alias Hotpush.Test.{Device, Hotswap, Project}

  @ways """
  defmodule Desk.Fleet do
    def discover(_options) do
      {:ok, [struct!(Hotpush.Discovery.Found, how: :fleet, name: "van-7", offers: [ssh: "van-7.example"])]}
    end
  end

  defmodule Desk.Down do
    def discover(_options), do: raise("no route to the fleet")
  end
  """

  setup_all do
    config = "import Config\nconfig :hotpush, discovery: [Desk.Fleet, Desk.Down]\n"
    {:ok, project: Project.new(app: :desk, files: %{"lib/desk.ex" => @ways}, config: config)}
  end

  setup %{project: project} do
    for name <- ~w(hotpush.toml .gitignore), do: File.rm(Path.join(project.dir, name))
    :ok
  end

  defp init(project, args \\ []) do
    {output, status} = Project.mix(project, ["hotpush.init", "--no-discover" | args])
    Hotswap.decent(output, [])
    {output, status}
  end

  defp file(project, name), do: File.read!(Path.join(project.dir, name))

  defp mode(project), do: File.stat!(Path.join(project.dir, "hotpush.toml")).mode

  test "writes a file that upload.hotswap reads, and keeps it out of git", %{project: project} do
    assert {output, 0} = init(project)
    assert output =~ "* creating hotpush.toml (0 devices found)\n* creating .gitignore\n"
    assert file(project, ".gitignore") == "/hotpush.toml\n"
    assert file(project, "hotpush.toml") =~ "# app = \"desk\"\n"
    assert mode(project) == 0o100600

    # Read, and no device is in it.
    assert {output, 2} = Hotswap.run(project, [])
    assert output =~ "hotpush.toml names no device yet. Remove the # in front of yours"
  end

  @tag skip: if(not Hotpush.Native.loaded?(), do: "no native library")
  test "what was found stands in the file, as a comment; a way that fails is told", context do
    project = context.project
    File.write!(Path.join(project.dir, ".gitignore"), "/_build")
    device = Device.start()
    assert {output, 0} = Project.mix(project, ["hotpush.init", "--timeout", "3000"])
    assert output =~ "no route to the fleet"
    assert output =~ ~r/\* creating hotpush.toml \(\d+ devices found, as comments\)/
    assert output =~ "* updating .gitignore"
    assert file(project, ".gitignore") == "/_build\n/hotpush.toml\n"
    text = file(project, "hotpush.toml")
    assert text =~ "# van-7, found by fleet\n# [device.van-7]\n# ssh = \"van-7.example\"\n"
    assert text =~ "\n# node = \"#{device.node}\"\n"

    # None of them is pushed to before the developer says so.
    assert {:ok, %{devices: []}} = Toml.read(project.dir)
    Project.edit(project, "hotpush.toml", "# [device.van-7]\n# ssh", "[device.van-7]\nssh")

    assert {:ok, %{devices: [%{nickname: "van-7", way: {:ssh, %{host: "van-7.example"}}}]}} =
             Toml.read(project.dir)
  end

  # A link that leads elsewhere: test/hotpush/settings/writer_test.exs.
  test "leaves what is there, but for --force", %{project: project} do
    File.write!(Path.join(project.dir, "hotpush.toml"), "# mine\n")
    File.write!(Path.join(project.dir, ".gitignore"), "/_build\nhotpush.toml")
    assert {output, 2} = init(project)

    assert output =~
             "hotpush.toml already exists, and was left unchanged. Use --force to replace it."

    assert file(project, "hotpush.toml") == "# mine\n"

    assert {output, 0} = init(project, ["--force"])
    refute output =~ ".gitignore"
    assert file(project, "hotpush.toml") =~ "[device.kitchen]"
    assert mode(project) == 0o100600
    assert file(project, ".gitignore") == "/_build\nhotpush.toml"
  end

  test "a child of an umbrella is told of the file of all, which is read there" do
    project = Project.new(app: :house, config: "import Config\n", children: [desk: [files: %{}]])
    dep = inspect(Project.Source.hotpush_dep())
    Project.edit(project, "apps/desk/mix.exs", "deps: []", "deps: [#{dep}]")
    File.write!(Path.join(project.dir, "hotpush.toml"), "app = 1\n")
    desk = %{project | app: :desk, dir: Path.join(project.dir, "apps/desk")}
    assert {output, 2} = Hotswap.run(desk, [])
    assert output =~ ~r/^\S*hotpush.toml:1:7: "app" should be/m

    {output, status} = init(desk)
    assert {status, output} == {2, output}
    assert output =~ "hotpush.toml names the devices for the whole umbrella"
    refute File.exists?(Path.join(desk.dir, "hotpush.toml"))
    assert {_, 0} = init(desk, ["--force"])
    assert file(project, "hotpush.toml") == "app = 1\n"
    assert file(desk, "hotpush.toml") =~ "[device.kitchen]"

    # Its own counts now.
    assert {output, 2} = Hotswap.run(desk, [])
    assert output =~ ~r/^hotpush.toml names no device yet/m
  end
end
