defmodule Hotpush.DependenciesTest do
  @moduledoc "Which dependencies are pushed, and firmware of another environment or target."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  defp files(name), do: %{"lib/#{Macro.underscore(name)}.ex" => source(name)}
  defp source(name), do: "defmodule #{name} do\n  def hi, do: :one\nend\n"

  # Of the tests that add to it, and take that away again.
  setup_all do
    erlang = %{"src/desk_erl.erl" => "-module(desk_erl).\n"}
    files = files("Desk") |> Map.merge(files("Chair")) |> Map.merge(erlang)
    project = Project.new(app: :desk, files: files)
    %{project: project, release: Project.release(project)}
  end

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
             "note: on #{device.node}, 1 module of the development-only dependency probe differs"

    assert output =~ "Use --app probe to push it"
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

  test "a module named like one of Elixir's or OTP's is refused by name", context do
    %{project: project, release: release} = context
    embedded = Device.start(release: release, mode: :embedded)
    interactive = Device.start(release: release, mode: :interactive, cookie: embedded.cookie)
    devices = [embedded, interactive]
    named = for device <- devices, arg <- ["--node", "#{device.node}"], do: arg
    # A session would take the project's DynamicSupervisor for its own.
    env = %{"HOTPUSH_COOKIE" => "#{embedded.cookie}", "HOTPUSH_TEST_SESSIONS" => "off"}
    to_both = &run(project, named ++ ["--no-compile" | &1], env, [env["HOTPUSH_COOKIE"]])

    md5s = "{DynamicSupervisor.__info__(:md5), :win32reg.module_info(:md5)}"
    theirs = Device.eval(embedded, md5s)

    Project.write(project, "lib/dynamic.ex", source("DynamicSupervisor"))

    # megaco is of an application of OTP that the device does not have: a name like any other.
    for name <- ~w(win32reg megaco) do
      code = "-module(#{name}).\n-export([hi/0]).\nhi() -> 1.\n"
      Project.write(project, "src/#{name}.erl", code)
    end

    {_, 0} = Project.mix(project, ["compile"])

    for args <- [["--dry-run"], []] do
      {output, status} = to_both.(args)
      assert status == 1, output

      for device <- devices do
        assert output =~
                 "refused: on #{device.node}, Elixir or Erlang/OTP has modules named " <>
                   "Elixir.DynamicSupervisor, win32reg: "

        assert output =~ "Nothing was changed on #{device.node}"
      end
    end

    for device <- devices, do: assert(Device.eval(device, md5s) == theirs)

    # Forced, it is replaced; once the project drops it, the device has its own again.
    {output, 0} = to_both.(["--force", "--module", "DynamicSupervisor"])
    assert deployed(output) == ["Elixir.DynamicSupervisor", "Elixir.DynamicSupervisor"]
    for device <- devices, do: assert(Device.eval(device, "DynamicSupervisor.hi()") == :one)
    Project.delete(project, "lib/dynamic.ex")
    Project.delete(project, "src/win32reg.erl")

    for device <- devices do
      output = push!(project, device, [], %{"HOTPUSH_TEST_SESSIONS" => "off"})
      assert deployed(output) == ["megaco"]
      assert deleted(output) == ["Elixir.DynamicSupervisor"]
      assert output =~ "note: #{device.node} runs its own Elixir.DynamicSupervisor again"
      assert Device.eval(device, md5s) == theirs
      again(project, device)
    end

    Project.delete(project, "src/megaco.erl")

    for device <- devices do
      assert deleted(push!(project, device)) == ["megaco"]
      again(project, device)
    end
  end

  test "firmware of another environment differs in nothing but what does differ", context do
    project = context.project
    device = Device.start(release: Project.release(project, %{"MIX_ENV" => "prod"}))
    again(project, device)
    Project.edit(project, "lib/chair.ex", ":one", ":two")
    assert deployed(push!(project, device)) == ["Elixir.Chair"]
    Project.edit(project, "lib/chair.ex", ":two", ":one")
    assert deployed(push!(project, device)) == ["Elixir.Chair"]
    again(project, device)
  end

  test "firmware for another target is refused and forced replaces nothing by which it knows its own" do
    # Stand-ins for what of Nerves knows what a device was built for, and what its firmware says.
    runtime = """
    defmodule Nerves.Runtime do
      @target Mix.target()
      def mix_target, do: @target
    end
    """

    kv = """
    defmodule Nerves.Runtime.KV do
      def get_active("nerves_fw_platform"), do: System.get_env("FIRMWARE_PLATFORM")
      def get_active(_key), do: nil
    end
    """

    nerves = %{"lib/nerves/runtime.ex" => runtime, "lib/nerves/runtime/kv.ex" => kv}
    files = Map.merge(files("Desk"), files("Chair"))
    project = Project.new(app: :desk, files: files, deps: [{:nerves_runtime, [], files: nerves}])
    target = %{"MIX_TARGET" => "rpi0"}
    Project.prebuild(project, "_build/rpi0_dev")
    release = Project.release(project, target)
    device = Device.start(release: release)
    Project.edit(project, "lib/desk.ex", ":one", ":two")
    Project.delete(project, "lib/chair.ex")
    {output, 1} = push(project, device)

    assert output =~
             "refused: #{device.node} was built for the target \"rpi0\", but this build is for host. " <>
               "Set MIX_TARGET to the device's target"

    refute output =~ "MIX_TARGET="
    assert Device.eval(device, "Desk.hi()") == :one

    output = push!(project, device, ["--force"])
    assert {deployed(output), deleted(output)} == {["Elixir.Desk"], []}
    kept = "#{device.node} keeps the modules that name its own: Elixir.Nerves.Runtime"
    assert output =~ "note: this build is for another target, so " <> kept
    assert Device.eval(device, "{Desk.hi(), Chair.hi()}") == {:two, :one}
    assert Device.eval(device, "Nerves.Runtime.mix_target()") == :rpi0
    assert again(project, device, ["--force"]) =~ kept

    # Asked first, and by its own name, it is left alone all the same.
    args = ["--force", "--all", "--module", "Nerves.Runtime"]
    assert deployed(push!(project, device, args)) == []
    assert Device.eval(device, "Nerves.Runtime.mix_target()") == :rpi0

    output = push!(project, device, [], target)
    assert {deployed(output), deleted(output)} == {[], ["Elixir.Chair"]}

    # One that an earlier version did this to: its firmware's metadata are not fooled.
    [beam] =
      Path.wildcard(Path.join(project.dir, "_build/dev/lib/*/ebin/Elixir.Nerves.Runtime.beam"))

    env = [{"FIRMWARE_PLATFORM", "rpi0"}]
    locked_out = Device.start(release: release, env: env, cookie: device.cookie)
    loaded = [Nerves.Runtime, ~c"runtime", File.read!(beam)]
    {:module, _} = Device.call(locked_out, :code, :load_binary, loaded)
    assert Device.eval(locked_out, "Nerves.Runtime.mix_target()") == :host

    {output, 1} = push(project, locked_out)
    assert output =~ "was built for the target \"rpi0\", but this build is for host"
    assert "Elixir.Nerves.Runtime" in deployed(push!(project, locked_out, [], target))
    assert Device.eval(locked_out, "Nerves.Runtime.mix_target()") == :rpi0

    assert again(project, locked_out, ["--node", "#{device.node}"], target) =~
             ~r/^Nothing differs on #{device.node}:/m
  end
end
