defmodule Hotpush.AdbE2ETest do
  @moduledoc """
  The real command to a phone behind real adb: from a node that is not there yet to nothing to do,
  with the settings and the commands of guides/adb.md.
  """
  # Whoever looks for devices meanwhile would find its phones, and complain of those that are off.
  use ExUnit.Case, async: false

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Adb, Device, Epmd, Ports, Project, Run, Until}

  @moduletag :adb
  @moduletag :cargo

  @guide File.read!(Path.expand("../../guides/adb.md", __DIR__))
  @named for [_, block] <- Regex.scan(~r/```toml\n(.*?)```/s, @guide), do: block
  @commands for [_, block] <- Regex.scan(~r/```sh\n(.*?)```/s, @guide),
                "$ mix " <> line <- String.split(block, "\n"),
                do: line

  setup_all do
    files = %{"lib/pocket.ex" => "defmodule Pocket do\n  def v, do: 1\nend\n"}
    project = Project.new(app: :pocket, files: files)
    %{project: project, release: Project.release(project), cookie: "in the pocket"}
  end

  defp settings(project, text),
    do: File.write!(Path.join(project.dir, "hotpush.toml"), "app = \"pocket\"\n" <> text)

  defp edit(project, to),
    do: Project.edit(project, "lib/pocket.ex", ~r/v, do: \d+/, "v, do: #{to}")

  test "a phone of hotpush.toml, by the beginning of its serial number",
       %{project: project, release: release, cookie: cookie} do
    phone = Adb.phone()
    prefix = String.replace_suffix(phone.serial, "5555", "")
    env = %{"POCKET" => cookie}
    secrets = [cookie]
    cookie_env = "cookie_env = \"POCKET\"\n"
    [by_serial, by_node] = for text <- @named, do: String.replace(text, "R5CT", prefix)
    settings(project, cookie_env <> by_serial)

    {output, status} = run(project, [], env, secrets)
    assert {status, output} == {1, output}
    assert output =~ "phone (#{phone.serial}): none of the nodes that this host's epmd knows"
    assert output =~ "Start the device's node as name@127.0.0.1"

    device = Device.start(release: release, netns: phone.netns, tunnelled: true, cookie: cookie)

    edit(project, 2)
    {output, status} = run(project, [], env, secrets)
    assert {status, output} == {0, output}
    assert output =~ ~r/^Successfully connected to phone$/m
    assert output =~ ~r/^Successfully deployed Elixir.Pocket to phone$/m
    assert Device.eval(device, "Pocket.v()") == 2

    {output, 0} = run(project, [], env, secrets)
    assert output =~ ~r/^Nothing differs on phone: \d+ modules checked .*1 round trip\)$/m
    refute output =~ "Successfully d"

    # The same with its node named; unplugged; and plugged in again, when it registers anew.
    settings(
      project,
      cookie_env <> String.replace(by_node, "example@127.0.0.1", "#{device.node}")
    )

    Adb.off(phone)
    edit(project, 3)
    {output, 1} = run(project, [], env, secrets)
    assert output =~ "phone (#{phone.serial}) is offline for adb."
    Adb.on(phone)

    assert ["hotpush.devices " <> _, "upload.hotswap " <> _, "hotpush.disconnect " <> _] =
             @commands

    {_, 0} = Project.mix(project, ["hotpush.disconnect"])

    [table, output, down] =
      for command <- @commands do
        command = command |> String.split("#") |> hd() |> OptionParser.split()
        {output, status} = Project.mix(project, command, env)
        assert {status, output} == {0, output}
        output
      end

    assert table =~ ~r/^phone +config, adb +#{prefix} /m
    assert output =~ ~r/^Successfully deployed Elixir.Pocket to phone$/m
    assert Device.eval(device, "Pocket.v()") == 3
    tunnels = "adb forward tcp:#{device.dist_port}, adb reverse tcp:4369"
    assert down =~ "phone: took down #{tunnels}."
    refute Adb.adb(["forward", "--list"]) =~ phone.serial
    refute Adb.adb(["-s", phone.serial, "reverse", "--list"]) =~ "4369"

    # No cookie is needed for it, and what stands is told from what does not.
    {output, 0} = Project.mix(project, ["hotpush.disconnect"])
    assert output =~ "phone: Hotpush has no tunnels to it."
    {output, status} = Project.mix(project, ["hotpush.disconnect", "R5CT", "phone"])
    decent(output, secrets)
    assert {status, output =~ "no device matches R5CT"} == {1, true}
    assert output =~ "phone: Hotpush has no tunnels"
    {output, 2} = Project.mix(project, ["hotpush.disconnect", "--all"])
    assert output =~ ~s(unknown option --all: "mix help hotpush.disconnect" lists them.)

    # They are set up again.
    {output, 0} = run(project, [], env, secrets)
    assert output =~ ~r/^Nothing differs on phone: /m
  end

  test "no device that is named is behind adb", %{project: project} do
    settings(project, "[device.porch]\nssh = \"nerves.local\"\n")
    {output, 0} = Project.mix(project, ["hotpush.disconnect"])
    assert output =~ "None of these devices is behind adb"
  end

  test "a serial number that adb does not know", %{project: project} do
    settings(project, "[device.phone]\nadb = \"R5CT\"\n")
    {output, status} = run(project, [])
    assert {status, output} == {1, output}
    assert output =~ ~r/phone \(R5CT\): adb knows no device/
  end

  test "epmd at a port of ERL_EPMD_PORT; it is started here", context do
    %{project: project, cookie: cookie} = context
    phone = Adb.phone()
    port = Ports.free()
    on_exit(fn -> Epmd.stop(port) end)

    env = %{"ERL_EPMD_PORT" => "#{port}", "HOTPUSH_COOKIE" => cookie}
    settings(project, "[device.phone]\nadb = \"#{phone.serial}\"\n")
    {output, 1} = run(project, [], env, [cookie])
    assert output =~ "none of the nodes that this host's epmd knows is on this device"

    # As an app of a phone does it: a VM that becomes a node when it is up.
    device =
      Device.start(
        release: context.release,
        netns: phone.netns,
        tunnelled: true,
        distribution: false,
        env: [{"ERL_EPMD_PORT", "#{port}"}]
      )

    name = Run.name("pocket")
    node = :"#{name}@127.0.0.1"
    {:ok, _} = Device.call(device, :net_kernel, :start, [[node, :longnames]])
    true = Device.call(device, :erlang, :set_cookie, [String.to_atom(cookie)])

    Until.until("epmd at #{port} to know #{name}", fn -> Epmd.listed(port) =~ name end)

    edit(project, 4)
    {output, 0} = run(project, [], env, [cookie])
    assert output =~ ~r/^Successfully deployed Elixir.Pocket to phone$/m
    assert Device.eval(device, "Pocket.v()") == 4
    {output, 0} = run(project, [], env, [cookie])
    assert output =~ ~r/^Nothing differs on phone: /m
  end
end
