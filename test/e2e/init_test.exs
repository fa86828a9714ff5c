defmodule Hotpush.InitTest do
  @moduledoc "The real `mix hotpush.init`."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Hotswap, Project}

  setup do
    files = %{"lib/desk.ex" => "defmodule Desk do\nend\n"}
    {:ok, project: Project.new(app: :desk, files: files)}
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
    assert {output, 2} = Hotswap.run(project, ["--node", "porch"])
    assert output =~ "hotpush.toml has no [device.porch]"
  end

  test "what was found stands in the file, as a comment; a way that fails is told" do
    project =
      Project.new(
        app: :desk,
        config: "import Config\nconfig :hotpush, discovery: [Desk.Fleet, Desk.Down]\n",
        files: %{
          "lib/desk.ex" => """
          defmodule Desk.Fleet do
            def discover(_options) do
              {:ok, [struct!(Hotpush.Discovery.Found, how: :fleet, name: "van-7", offers: [ssh: "van-7.example"])]}
            end
          end

          defmodule Desk.Down do
            def discover(_options), do: raise("no route to the fleet")
          end
          """
        }
      )

    device = Hotpush.Test.Device.start()
    assert {output, 0} = Project.mix(project, ["hotpush.init", "--timeout", "3000"])
    assert output =~ "no route to the fleet"
    assert output =~ ~r/\* creating hotpush.toml \(\d+ devices found, as comments\)/
    text = file(project, "hotpush.toml")
    assert text =~ "# van-7, found by fleet\n# [device.van-7]\n# ssh = \"van-7.example\"\n"
    assert text =~ "\n# node = \"#{device.node}\"\n"

    # None of them is pushed to before the developer says so.
    assert {output, 2} = Hotswap.run(project, [])
    assert output =~ "hotpush.toml names no device yet. Remove the # in front of yours"
    Project.edit(project, "hotpush.toml", "# [device.van-7]\n# ssh", "[device.van-7]\nssh")
    assert {output, 1} = Hotswap.run(project, ["--node", "van-7"])
    assert output =~ "failed: van-7"
  end

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

  test "does not write to where a link leads", %{project: project} do
    elsewhere = Path.join(project.dir, "elsewhere.toml")
    File.ln_s!(elsewhere, Path.join(project.dir, "hotpush.toml"))
    assert {output, 2} = init(project)
    assert output =~ "hotpush.toml already exists"
    refute File.exists?(elsewhere)
  end

  test "a child of an umbrella is told of the file of all" do
    project = Project.new(app: :house, config: "import Config\n", children: [desk: [files: %{}]])
    dep = inspect(Project.Source.hotpush_dep())
    Project.edit(project, "apps/desk/mix.exs", "deps: []", "deps: [#{dep}]")
    File.write!(Path.join(project.dir, "hotpush.toml"), "# ours\n")
    desk = %{project | app: :desk, dir: Path.join(project.dir, "apps/desk")}
    {output, status} = init(desk)
    assert {status, output} == {2, output}
    assert output =~ "hotpush.toml names the devices for the whole umbrella"
    refute File.exists?(Path.join(desk.dir, "hotpush.toml"))
    assert {_, 0} = init(desk, ["--force"])
    assert file(project, "hotpush.toml") == "# ours\n"
    assert file(desk, "hotpush.toml") =~ "[device.kitchen]"
  end

  test "adds one line to the .gitignore that is there", %{project: project} do
    File.write!(Path.join(project.dir, ".gitignore"), "/_build")
    assert {output, 0} = init(project)
    assert output =~ "* updating .gitignore"
    assert file(project, ".gitignore") == "/_build\n/hotpush.toml\n"
    assert {_, 0} = init(project, ["--force"])
    assert file(project, ".gitignore") == "/_build\n/hotpush.toml\n"
  end

  test "what is wrong is said, and nothing is written", %{project: project} do
    for {args, says} <- [
          {["--colour"], "unknown option --colour: \"mix help hotpush.init\" lists them."},
          {["porch"], "unexpected argument porch"},
          {["--timeout", "soon"], "--timeout takes a number of milliseconds"},
          {["--timeout", "0"], "--timeout takes a number of milliseconds"},
          {["--force=maybe"], "--force takes no value"}
        ] do
      {output, status} = init(project, args)
      assert {status, output} == {2, output}
      assert output =~ says
    end

    refute File.exists?(Path.join(project.dir, "hotpush.toml"))
  end
end
