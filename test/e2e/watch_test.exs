defmodule Hotpush.WatchTest do
  @moduledoc "`--watch`: what is saved runs on the device, without another command."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Until}
  alias Hotpush.Test.Project.Live

  @moduletag timeout: 300_000

  setup_all do
    files = %{
      "lib/desk.ex" => "defmodule Desk do\n  def hi, do: 1\nend\n",
      "lib/lamp.ex" => "defmodule Lamp do\n  def hi, do: 1\nend\n"
    }

    project = Project.new(app: :desk, files: files)
    %{project: project, release: Project.release(project)}
  end

  defp watch(project, device, env \\ %{}) do
    env = Map.put(env, "HOTPUSH_COOKIE", to_string(device.cookie))
    command = ["upload.hotswap", "--watch", "--node", to_string(device.node)]
    live = Live.start(project, command, env)
    Live.wait(live, ~r/^Watching \d+ files in lib\b/m)
    live
  end

  defp quit(live, device) do
    Live.type(live, "q")
    assert Live.status(live) == 0
    # The compiler's own message looks like a stack trace.
    said = Regex.replace(~r/^\*\* \(CompileError\)/m, Live.output(live), "")
    decent(said, [to_string(device.cookie)])
  end

  defp runs(device, code, value),
    do:
      Until.until(
        "#{code} to be #{inspect(value)}",
        fn -> Device.eval(device, code) == value end,
        30_000
      )

  test "edits, a new and a deleted file, a mistake and its correction", context do
    %{project: project, release: release} = context
    device = Device.start(release: release)
    live = watch(project, device)
    Project.write(project, "lib/desk.ex", "defmodule Desk do\n  def hi, do: 22\nend\n")
    runs(device, "Desk.hi()", 22)
    name = Regex.escape(to_string(device.node))

    Live.wait(
      live,
      ~r/^reloaded 1 of \d+ modules on #{name} in \d+ ms \(compile \d+ ms, push \d+ ms\)$/m
    )

    Project.write(project, "lib/desk.ex", "defmodule Desk do\n  def hi, do: nobody()\nend\n")
    Project.write(project, "lib/lamp.ex", "defmodule Lamp do\n  def hi, do: 33\nend\n")
    Live.wait(live, ~r/does not compile, so nothing was pushed/)
    assert {22, lamp} = Device.eval(device, "{Desk.hi(), Lamp.hi()}")
    assert lamp != 33

    # As many an editor saves: another file takes its place.
    beside = Path.join(project.dir, "lib/.desk.ex.new")
    File.write!(beside, "defmodule Desk do\n  def hi, do: 444\nend\n")
    File.rename!(beside, Path.join(project.dir, "lib/desk.ex"))
    runs(device, "{Desk.hi(), Lamp.hi()}", {444, 33})

    Project.write(project, "lib/deep/new.ex", "defmodule New do\n  def hi, do: 5\nend\n")
    runs(device, "Code.ensure_loaded?(New)", true)
    Project.write(project, "lib/deep/new.ex", "defmodule New do\n  def hi, do: 66\nend\n")
    runs(device, "New.hi()", 66)
    File.rm!(Path.join(project.dir, "lib/deep/new.ex"))
    Live.wait(live, ~r/^removed 1 of/m)
    runs(device, "Code.ensure_loaded?(New)", false)

    quit(live, device)
    again(project, device)
  end

  test "a dependency by path, and an implementation of a protocol", _context do
    project =
      Project.new(
        app: :shelf,
        files: %{
          "lib/shelf.ex" => "defmodule Shelf do\n  def hi, do: Board.hi()\nend\n",
          "lib/shape.ex" => "defprotocol Shape do\n  def name(x)\nend\n"
        },
        deps: [
          {:board, [], files: %{"lib/board.ex" => "defmodule Board do\n  def hi, do: 1\nend\n"}}
        ]
      )

    device = Device.start(release: Project.release(project))
    live = watch(project, device)

    for number <- [22, 333] do
      Project.write(
        project,
        "../board/lib/board.ex",
        "defmodule Board do\n  def hi, do: #{number}\nend\n"
      )

      runs(device, "Shelf.hi()", number)
    end

    for {name, type} <- [one: "Integer", two: "List"] do
      Project.write(
        project,
        "lib/#{name}.ex",
        "defimpl Shape, for: #{type} do\n  def name(_), do: :#{name}\nend\n"
      )

      runs(
        device,
        "Shape.impl_for(#{if type == "List", do: "[]", else: "1"})",
        Module.concat(Shape, type)
      )
    end

    quit(live, device)
    again(project, device)
  end

  test "a device that restarts is brought up to date", context do
    device = Device.start(release: context.release)
    live = watch(context.project, device)
    Project.write(context.project, "lib/desk.ex", "defmodule Desk do\n  def hi, do: 7_777\nend\n")
    # It runs before the push has been read back.
    Live.wait(live, ~r/^reloaded 1 of/m)
    assert Device.eval(device, "Desk.hi()") == 7_777
    Device.kill(device)

    Project.write(
      context.project,
      "lib/desk.ex",
      "defmodule Desk do\n  def hi, do: 88_888\nend\n"
    )

    Live.wait(live, ~r/^failed: #{device.node}/m)

    # A save while no device is there is compiled, and a mistake is shown. Whoever comes back meanwhile gets
    # nothing, and loses nothing.
    Project.write(context.project, "lib/lamp.ex", "defmodule Lamp do\n  def hi, do: 4_321\nend\n")
    Live.wait(live, ~r/^Compiling /m, 3)

    Project.write(
      context.project,
      "lib/desk.ex",
      "defmodule Desk do\n  def hi, do: nobody()\nend\n"
    )

    Live.wait(live, ~r/does not compile, so nothing was pushed/)
    device = Device.restart(device)
    command = ["upload.hotswap", "--no-compile", "--node", to_string(device.node)]
    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}
    {output, 0} = Project.mix(context.project, command, env)
    refute output =~ "deleted"
    assert Device.eval(device, "Code.ensure_loaded?(Desk)")

    Project.write(
      context.project,
      "lib/desk.ex",
      "defmodule Desk do\n  def hi, do: 88_888\nend\n"
    )

    Live.wait(live, ~r/^#{device.node} is back$/m)
    runs(device, "{Desk.hi(), Lamp.hi()}", {88_888, 4_321})
    quit(live, device)
    assert length(Regex.scan(~r/^failed: /m, Live.output(live))) == 1
    again(context.project, device)
  end

  test "a change in mix.exs and in hotpush.toml starts it again; a mistake there does not end it",
       context do
    %{project: project, release: release} = context
    [device, other] = for _ <- 1..2, do: Device.start(release: release)
    path = Path.join(project.dir, "hotpush.toml")
    on_exit(fn -> File.rm(path) end)

    put = fn text ->
      File.write!(path, text)
      File.chmod!(path, 0o600)
    end

    entry = &~s([device.#{&1}]\nnode = "#{&2.node}"\ncookie = "#{&2.cookie}"\n)
    put.(entry.("porch", device))
    live = Live.start(project, ["upload.hotswap", "--watch"])
    Live.wait(live, ~r/^Watching /m)

    put.("[device.porch]\nnoed = 1\n")
    Live.wait(live, ~r/^hotpush.toml:2:1: /m)
    put.(entry.("porch", device) <> entry.("hall", other))
    Live.wait(live, ~r/^Watching /m, 2)

    mix = File.read!(Path.join(project.dir, "mix.exs"))
    on_exit(fn -> File.write!(Path.join(project.dir, "mix.exs"), mix) end)
    Project.write(project, "mix.exs", mix <> "(")
    Live.wait(live, ~r/^mix.exs is not valid Elixir/m)
    Project.write(project, "mix.exs", mix)
    Live.wait(live, ~r/^Watching /m, 3)

    Project.write(project, "lib/lamp.ex", "defmodule Lamp do\n  def hi, do: 555_555\nend\n")
    for device <- [device, other], do: runs(device, "Lamp.hi()", 555_555)
    quit(live, device)
    File.rm!(path)
    again(project, device)
  end

  test "without the native library it looks twice a second", context do
    device = Device.start(release: context.release)
    live = watch(context.project, device, %{"HOTPUSH_NATIVE" => "off"})
    assert Live.output(live) =~ "files in lib (twice a second)."

    Project.write(
      context.project,
      "lib/lamp.ex",
      "defmodule Lamp do\n  def hi, do: 9_999_999\nend\n"
    )

    runs(device, "Lamp.hi()", 9_999_999)
    quit(live, device)
    again(context.project, device)
  end

  test "it ends with its input", context do
    device = Device.start(release: context.release)
    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}
    command = ["upload.hotswap", "--watch", "--node", to_string(device.node)]
    assert {output, 0} = Project.mix(context.project, command, env)
    assert output =~ ~r/^Watching \d+ files in lib/m
  end
end
