defmodule Hotpush.DependenciesTest do
  @moduledoc "Which dependencies are pushed, and firmware of another environment or target."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  defp files(name), do: %{"lib/#{Macro.underscore(name)}.ex" => source(name)}
  defp source(name), do: "defmodule #{name} do\n  def hi, do: :one\nend\n"

  test "runtime dependencies are pushed, tools never, those for development when asked" do
    project =
      Project.new(
        app: :desk,
        files: files("Desk"),
        deps: [
          {:drawer, [], files: files("Drawer"), deps: [{:handle, [], files: files("Handle")}]},
          {:tool, [runtime: false], files: files("Tool")},
          {:probe, [only: :dev], files: files("Probe")}
        ]
      )

    device = Device.start(release: Project.release(project))
    again(project, device)

    for name <- ~w(drawer handle tool probe) do
      Project.edit(project, "../#{name}/lib/#{name}.ex", ":one", ":two")
    end

    output = push!(project, device)
    assert deployed(output) == ["Elixir.Drawer", "Elixir.Handle"]

    assert output =~
             "note: #{device.node} has 1 module of the development-only dependency probe that differ"

    assert output =~ "--app probe pushes them"
    refute output =~ "Tool"
    assert Device.eval(device, "{Desk.hi(), Handle.hi(), Probe.hi()}") == {:one, :two, :one}
    again(project, device)

    assert deployed(push!(project, device, ["--app", "probe"])) == ["Elixir.Probe"]
    assert Device.eval(device, "Probe.hi()") == :two
    refute again(project, device) =~ "probe"

    {output, 2} = push(project, device, ["--app", "hotpush"])
    assert output =~ "hotpush itself is never pushed"
    all = deployed(push!(project, device, ["--all"]))
    assert "Elixir.Drawer" in all
    refute Enum.any?(all, &(&1 =~ ~r/Tool|Hotpush|Probe/))
    again(project, device)
  end

  for mode <- [:embedded, :interactive] do
    test "a module named like one of Elixir's or OTP's is refused by name (#{mode})" do
      project = Project.new(app: :desk, files: files("Desk"))
      device = Device.start(release: Project.release(project), mode: unquote(mode))
      md5s = "{DynamicSupervisor.__info__(:md5), :win32reg.module_info(:md5)}"
      theirs = Device.eval(device, md5s)

      Project.write(project, "lib/dynamic.ex", source("DynamicSupervisor"))

      Project.write(
        project,
        "src/win32reg.erl",
        "-module(win32reg).\n-export([hi/0]).\nhi() -> 1.\n"
      )

      # Of an application of OTP that the device does not have: a name like any other.
      Project.write(project, "src/megaco.erl", "-module(megaco).\n-export([hi/0]).\nhi() -> 1.\n")
      {_, 0} = Project.mix(project, ["compile"])

      for args <- [["--dry-run"], []] do
        {output, status} = push(project, device, ["--no-compile" | args])
        assert status == 1, output

        assert output =~
                 "refused: #{device.node} has modules of Elixir's or Erlang/OTP's own named " <>
                   "Elixir.DynamicSupervisor, win32reg: "

        assert output =~ "Nothing was changed on #{device.node}"
      end

      assert Device.eval(device, md5s) == theirs
      Project.delete(project, "lib/dynamic.ex")
      Project.delete(project, "src/win32reg.erl")
      assert deployed(push!(project, device)) == ["megaco"]
      again(project, device)
    end
  end

  test "firmware of another environment differs in nothing but what does differ" do
    project = Project.new(app: :desk, files: files("Desk"))
    device = Device.start(release: Project.release(project, %{"MIX_ENV" => "prod"}))
    again(project, device)
    Project.edit(project, "lib/desk.ex", ":one", ":two")
    assert deployed(push!(project, device)) == ["Elixir.Desk"]
    again(project, device)
  end

  test "firmware for another target is refused, and forced removes nothing" do
    # A stand-in for the module of Nerves that knows what a device was built for.
    stand_in = "defmodule Nerves.Runtime do\n  def mix_target, do: :rpi0\nend\n"
    files = Map.merge(files("Desk"), files("Chair"))
    files = Map.put(files, "lib/runtime.ex", stand_in)
    project = Project.new(app: :desk, files: files)
    device = Device.start(release: Project.release(project))

    Project.edit(project, "lib/desk.ex", ":one", ":two")
    Project.delete(project, "lib/chair.ex")
    {output, 1} = push(project, device)

    assert output =~
             "refused: #{device.node} was built for the target rpi0, this build is for host. " <>
               "Run MIX_TARGET=rpi0 mix upload.hotswap"

    assert Device.eval(device, "Desk.hi()") == :one

    output = push!(project, device, ["--force"])
    assert {deployed(output), deleted(output)} == {["Elixir.Desk"], []}
    assert Device.eval(device, "{Desk.hi(), Chair.hi()}") == {:two, :one}

    target = %{"MIX_TARGET" => "rpi0"}
    output = push!(project, device, [], target)
    assert {deployed(output), deleted(output)} == {[], ["Elixir.Chair"]}
    again(project, device, [], target)
  end
end
