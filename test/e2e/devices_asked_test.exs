defmodule Hotpush.DevicesAskedTest do
  @moduledoc "Who is asked what he runs by `mix hotpush.devices`, and what is said of the others."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Epmd, Hotswap, Project, Run}

  @moduletag timeout: 300_000

  setup_all do
    files = %{"lib/desk.ex" => "defmodule Desk do\n  def v, do: 1\nend\n"}
    project = Project.new(app: :desk, extra_applications: [:logger], files: files)
    Project.mix!(project, ["compile"])
    %{project: project}
  end

  setup context do
    on_exit(fn -> File.rm(Path.join(context.project.dir, "hotpush.toml")) end)
  end

  # The devices of the document by what they are called, with what was said on the way.
  defp list(project, args, env) do
    path = Path.join(Run.dir("json"), "devices.json")
    {output, status} = Project.mix(project, ["hotpush.devices", "--json", path | args], env)
    assert {0, output} == {status, output}
    Hotswap.decent(output, Map.values(env))
    rows = Hotswap.json(path, "devices.schema.json")["devices"]
    {output, Map.new(rows, &{&1["name"], &1})}
  end

  defp problems(row), do: Enum.map(row["problems"], & &1["kind"])

  @tag :jsonschema
  test "a cookie that is missing costs the devices that need it", %{project: project} do
    device = Device.start()

    Project.write(project, "hotpush.toml", """
    cookie_env = "DESK_COOKIE"
    [device.porch]
    node = "#{device.node}"
    cookie_env = "PORCH_COOKIE"
    [device.attic]
    node = "attic@127.0.0.1"
    [device.shed]
    ssh = "127.0.0.1:1"
    """)

    env = %{"PORCH_COOKIE" => to_string(device.cookie)}
    {output, rows} = list(project, ["--only", "epmd", "--timeout", "20000"], env)

    assert %{"state" => "answered", "otp" => otp} = rows["porch"]
    assert otp == System.otp_release()
    assert %{"state" => "listed", "add" => nil} = rows["attic"]
    assert problems(rows["attic"]) == ["cookie_not_set"]
    assert %{"state" => "silent", "transport" => "ssh", "node" => nil} = rows["shed"]
    assert rows["shed"]["destination"] == "127.0.0.1:1"
    assert problems(rows["shed"]) == ["port_refused"]

    assert output =~
             ~r/attic.*: hotpush.toml:1:14: the environment variable DESK_COOKIE is not set/

    # This task has no such option.
    refute output =~ "--cookie"

    {output, 1} = Project.mix(project, ["upload.hotswap", "--dry-run"], env)
    assert output =~ "the environment variable DESK_COOKIE is not set"
    assert output =~ "porch"
    assert output =~ "127.0.0.1:1"
  end

  @tag :jsonschema
  test "a short timeout is enough for who answers, and named where it is not", %{project: project} do
    # Accepts, and never answers.
    {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, backlog: 16)
    {:ok, port} = :inet.port(listener)
    name = Run.name("hang")
    held = Epmd.register(name, port)

    Project.write(project, "hotpush.toml", """
    [device.hangs]
    node = "#{name}@127.0.0.1"
    [device.absent]
    node = "#{Run.name("absent")}@127.0.0.1"
    """)

    {output, rows} = list(project, ["--timeout", "2000"], %{"HOTPUSH_COOKIE" => "any"})
    assert %{"state" => "silent"} = rows["hangs"]
    assert output =~ ~r/^hangs.* did not complete the connection within 2000 ms/m
    # Not that the time was over: why.
    assert problems(rows["absent"]) == ["not_registered"]
    :gen_tcp.close(held)
    :gen_tcp.close(listener)
  end

  test "where a push would mean nerves.local, that is asked", %{project: project} do
    args = ["hotpush.devices", "--only", "adb", "--timeout", "1500"]
    Project.prebuild(project, "_build/rpi4_dev")
    {_, 0} = Project.mix(project, ["compile"], %{"MIX_TARGET" => "rpi4"})
    {output, 0} = Project.mix(project, args, %{"MIX_TARGET" => "rpi4"})
    assert output =~ ~r/^-  +config  +nerves.local  /m
    refute output =~ "configuration names none"
    {output, 0} = Project.mix(project, args)
    refute output =~ "nerves.local"
  end
end
