defmodule Hotpush.Test.ProjectTest do
  @moduledoc "Projects for tests. Without it, a test could run another command than a user does."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Project}

  @sample "defmodule Sample do\n  def hi, do: :one\nend\n"

  test "compiles, sees each save, and runs as a release on a device" do
    project =
      Project.new(
        files: %{
          "lib/sample.ex" => @sample,
          "src/sample_erl.erl" => "-module(sample_erl).\n-export([hi/0]).\nhi() -> erl.\n"
        },
        deps: [
          {:thing, [],
           files: %{"lib/thing.ex" => "defmodule Thing do\n  def hi, do: :dep\nend\n"}},
          {:tool, [only: :dev, runtime: false], files: %{}}
        ]
      )

    output = Project.mix!(project, ["compile"])
    assert output =~ "Generated sample app"
    refute output =~ ~r/hotpush\nCompiling/, "hotpush was compiled again"

    device = Device.start(release: Project.release(project))

    assert Device.eval(device, "{Sample.hi(), :sample_erl.hi(), Thing.hi()}") ==
             {:one, :erl, :dep}

    assert Device.call(device, :code, :get_mode, []) == :embedded

    Project.edit(project, "lib/sample.ex", ":one", ":two")
    Project.edit(project, "../thing/lib/thing.ex", ":dep", ":new")
    output = Project.mix!(project, ["compile"])
    assert output =~ "==> thing\nCompiling 1 file"
    assert output =~ "==> sample\nCompiling 1 file"
    Project.edit(project, "lib/sample.ex", ":two", ":six")
    assert Project.mix!(project, ["compile"]) =~ "Compiling 1 file"
    assert Project.mix!(project, ["compile"]) == ""
  end

  test "may be an umbrella" do
    project =
      Project.new(
        app: :roof,
        children: [
          front: [
            files: %{"lib/front.ex" => "defmodule Front do\n  def hi, do: Back.hi()\nend\n"},
            deps: [{:back, in_umbrella: true}]
          ],
          back: [files: %{"lib/back.ex" => "defmodule Back do\n  def hi, do: :back\nend\n"}]
        ]
      )

    device = Device.start(release: Project.release(project), mode: :interactive)
    assert Device.eval(device, "Front.hi()") == :back
    assert Device.call(device, :code, :get_mode, []) == :interactive
  end

  test "has an environment of its own, and both outputs" do
    project = Project.new(files: %{}, config: "import Config\nconfig :sample, a: 1\n")
    code = ~s(IO.puts(:stderr, "err"\); IO.puts(System.user_home!(\)\); exit({:shutdown, 3}\))
    env = %{"HOTPUSH_COOKIE" => "x"}
    assert {out, err, 3} = Project.mix_apart(project, ["run", "-e", code], env)
    assert out |> String.split() |> List.last() == project.home
    assert err =~ "err"
  end

  @tag :terminal
  test "may be run on a terminal" do
    project = Project.new(files: %{}, hotpush: false)

    {output, 0} =
      Project.mix_on_terminal(project, ["run", "-e", "IO.inspect(IO.ANSI.enabled?())"])

    assert output =~ "true"
  end
end
