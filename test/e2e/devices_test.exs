defmodule Hotpush.DevicesTest do
  @moduledoc """
  Devices are listed, confirmed and pushed to by name, found through a real avahi-daemon in a
  network namespace, under a name that this host's resolver does not know.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Netns, Project, Run, SshDevice, Until}

  @moduletag :netns
  @moduletag timeout: 300_000

  setup_all do
    project =
      Project.new(
        app: :desk,
        extra_applications: [:logger, :iex, :ssh, :public_key],
        files: %{"lib/desk.ex" => "defmodule Desk do\n  def v, do: 1\nend\n"}
      )

    %{project: project, release: Project.release(project)}
  end

  setup context do
    netns = Netns.start()
    name = Run.name("desk")
    device = Device.start(netns: netns, release: context.release, name: name)
    assert {:error, _} = :inet.getaddr(String.to_charlist(netns.host), :inet)
    # Each test is a user of his own.
    home = Run.dir("home")
    %{netns: netns, device: device, project: %{context.project | home: home}}
  end

  defp mix(%{project: project, device: device}, args) do
    cookie = to_string(device.cookie)
    {output, status} = Project.mix(project, args, %{"HOTPUSH_COOKIE" => cookie})
    Hotswap.decent(output, [cookie])
    {output, status}
  end

  # A search takes two seconds, whatever else a machine has to do meanwhile: who was not heard is
  # searched for again.
  defp heard(name, search) do
    Until.until("#{name} to be heard", fn -> heard_in(search.(), to_string(name)) end, 60_000)
  end

  defp heard_in({output, status}, name), do: output =~ name && {output, status}

  defp discover(context),
    do: heard(context.device.node, fn -> mix(context, ["upload.hotswap", "--discover"]) end)

  defp list(context, args \\ []) do
    path = Path.join(Run.dir("json"), "devices.json")
    command = ["hotpush.devices", "--json", path | args]
    {output, 0} = heard(context.device.node, fn -> mix(context, command) end)
    document = Hotswap.json(path, "devices.schema.json")
    assert %{"version" => 2, "ok" => true} = document
    name = to_string(context.device.node)
    {output, Enum.filter(document["devices"], &(&1["destination"] == name))}
  end

  # Whoever asked over distribution would be known there.
  defp visited?(device),
    do: Device.call(device, :erlang, :nodes, [:known]) -- [device.node, :nonode@nohost] != []

  defp edit(%{project: project}) do
    new = System.unique_integer([:positive])
    Project.edit(project, "lib/desk.ex", ~r/v, do: \d+/, "v, do: #{new}")
    new
  end

  @tag :jsonschema
  test "who only answered on the network is listed, and offered nothing", context do
    %{device: device, netns: netns} = context
    {output, [row]} = list(context)

    assert %{"found_by" => ["mdns"], "state" => "listed", "transport" => "distribution"} = row
    assert %{"host" => host, "addresses" => [address | _], "otp" => nil} = row
    assert row["name"] == row["node"] and row["node"] == "#{device.node}"
    assert {host, address} == {netns.host, netns.address}
    assert row["add"] =~ ~s(node = "#{device.node}")
    assert output =~ ~r/^-  +mdns  +#{device.node}  +#{address}  +-  +-  +-  +-  +-$/m
    assert output =~ "To add one, confirm it once with mix upload.hotswap --discover"

    {output, status} = discover(context)
    assert status == 2
    assert output =~ "To add one, confirm it once"
    assert output =~ "no device to push to: none is named"
    refute output =~ "[yN]"
    refute visited?(device)
    refute File.exists?(Path.join(context.project.home, ".local/state/hotpush/confirmed"))

    # A file of confirmations that others can write confirms nothing.
    path = Path.join(context.project.home, ".local/state/hotpush/confirmed")
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, "hotpush confirmed 1\nnode #{device.node}\n")
    File.chmod!(path, 0o666)
    {output, 2} = mix(context, ["upload.hotswap", "--discover"])

    assert output =~
             "other users can write to #{path} (mode 666), so no device counts as confirmed"

    refute visited?(device)
  end

  @tag :terminal
  @tag :jsonschema
  test "who was confirmed once, at a terminal, is pushed to from then on", context do
    %{device: device, project: project} = context
    v = edit(context)
    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}
    command = ["upload.hotswap", "--discover"]
    type = &Project.mix_on_terminal(project, command, env, &1)
    {output, status} = heard(device.node, fn -> type.("n\n") end)
    assert {2, output} == {status, output}
    assert output =~ "Push to its node #{device.node}"
    # Who said no just now is not told how to say yes.
    refute output =~ ~s(node = "#{device.node}")
    refute visited?(device)

    {output, status} = heard(device.node, fn -> type.("y\n") end)
    assert {0, output} == {status, output}
    assert output =~ "Successfully deployed Elixir.Desk to #{device.node}"
    assert Device.eval(device, "Desk.v()") == v

    path = Path.join(project.home, ".local/state/hotpush/confirmed")
    assert File.read!(path) == "hotpush confirmed 1\nnode #{device.node}\n"
    assert {:ok, %{mode: 0o100600}} = File.stat(path)

    {output, 0} = discover(context)
    assert output =~ "Nothing differs on #{device.node}"

    {output, [row]} = list(context)
    assert %{"state" => "answered", "modules_differ" => 0, "app_version" => "0.1.0"} = row
    assert %{"found_by" => ["mdns"], "problems" => [], "add" => nil} = row
    assert row["otp"] == System.otp_release() and row["elixir"] == System.version()
    {:ok, since, 0} = DateTime.from_iso8601(row["up_since"])
    assert DateTime.diff(DateTime.utc_now(), since) in 0..300

    assert output =~
             ~r/^-  +mdns  +#{device.node}  .*  0.1.0  +0  +\d{4}-\d\d-\d\d \d\d:\d\d  +\S+@\S+ .* ago$/m
  end

  @tag :jsonschema
  test "a name under .local that the resolver does not know is enough to push to", context do
    %{device: device, project: project, netns: netns} = context
    v = edit(context)
    {output, status} = mix(context, ["upload.hotswap", "--node", to_string(device.node)])
    assert {0, output} == {status, output}
    assert Device.eval(device, "Desk.v()") == v

    Project.write(project, "hotpush.toml", """
    [device.porch]
    node = "#{device.node}"
    [device.attic]
    node = "desk@nobody-#{netns.host}"
    """)

    {output, [row]} = list(context, ["--timeout", "6000"])
    File.rm!(Path.join(project.dir, "hotpush.toml"))
    assert %{"name" => "porch", "found_by" => ["config", "mdns"]} = row
    assert %{"state" => "answered", "modules_differ" => 0} = row
    assert output =~ ~r/^attic  +config  +desk@nobody-#{netns.host}  +-  +-  +-  +-  +-  +-  +-$/m
    assert output =~ "attic (desk@nobody-#{netns.host}): the host name"

    refute output =~ ~s(node = "#{device.node}")
  end

  @tag :terminal
  test "a stock device is confirmed by its host key, and no longer when that is another",
       context do
    netns = Netns.start()
    any = {0, 0, 0, 0, 0, 0, 0, 0}
    device = SshDevice.start(release: context.release, netns: netns, ip: any, port: 22)
    # A user's ssh that takes every key, as many have it for devices: what was confirmed binds it.
    SshDevice.forget_host_key(device)
    lax = "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\n"
    File.write!(device.config, lax <> File.read!(device.config))

    {fingerprint, 0} =
      System.cmd("ssh-keygen", ["-lf", Path.join(device.dir, "ssh_host_ed25519_key")])

    [_, fingerprint | _] = String.split(fingerprint)

    discover = fn typed ->
      command = ["upload.hotswap", "--discover"]

      heard(netns.host, fn ->
        if typed,
          do: Project.mix_on_terminal(context.project, command, SshDevice.env(device), typed),
          else: Project.mix(context.project, command, SshDevice.env(device))
      end)
    end

    v = edit(context)
    Device.stop(context.device)
    Netns.stop(context.netns)

    # Where the network alone knows the name, so does the ssh that is advised.
    {output, 1} =
      Project.mix(context.project, ["upload.hotswap", netns.host], SshDevice.env(device))

    assert output =~ "has a host key that this computer does not know yet"
    # Which of its addresses is heard first is the network's affair.
    assert [_, address] = Regex.run(~r/run "ssh -o HostName=(\S+) /, output)
    assert address == netns.address or address =~ ~r/^fe80::/
    assert output =~ ~s( -o HostKeyAlias=#{netns.host} #{netns.host}" once and answer yes)

    {output, status} = discover.("y\n")
    assert {0, output} == {status, output}
    assert output =~ "Push to it over ssh as #{netns.host}, with the host key #{fingerprint}?"
    assert Device.eval(device.device, "Desk.v()") == v
    path = Path.join(context.project.home, ".local/state/hotpush/confirmed")
    assert File.read!(path) == "hotpush confirmed 1\nssh #{netns.host} #{fingerprint}\n"

    {output, status} = discover.(nil)
    assert {0, output} == {status, output}
    assert output =~ "Nothing differs on #{netns.host}"

    File.write!(path, "hotpush confirmed 1\nssh #{netns.host} SHA256:another\n")
    {output, 2} = discover.(nil)
    assert output =~ "the host key of #{netns.host} is not the one that you confirmed"
    assert output =~ "no device to push to"
    refute output =~ "Successfully connected"
  end
end
