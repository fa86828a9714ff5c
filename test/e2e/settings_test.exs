defmodule Hotpush.SettingsE2ETest do
  @moduledoc "Devices, groups and cookies of `hotpush.toml`, by the real command against real nodes."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Run, SshDevice}

  @moduletag :cargo

  @config """
  import Config
  {settings, _} = Code.eval_string(System.get_env("SETTINGS") || "[]")
  config :hotpush, settings
  """

  # Two devices, each with a cookie of its own.
  setup_all do
    files = %{"lib/desk.ex" => "defmodule Desk do\n  def hi, do: 1\nend\n"}

    project =
      Project.new(
        app: :desk,
        files: files,
        config: @config,
        extra_applications: [:logger, :iex, :ssh]
      )

    release = Project.release(project)
    porch = Device.start(release: release)
    kitchen = Device.start(release: release)
    cookies = [to_string(porch.cookie), to_string(kitchen.cookie)]
    %{project: project, release: release, porch: porch, kitchen: kitchen, secrets: cookies}
  end

  # Every test begins with the file that both devices are in.
  setup %{project: project} = context do
    for {name, device} <- [{".porch", context.porch}, {".kitchen", context.kitchen}] do
      File.write!(Path.join(project.dir, name), "#{device.cookie}\n")
      File.chmod!(Path.join(project.dir, name), 0o600)
    end

    settings(context, whole(context))
  end

  defp whole(%{porch: porch, kitchen: kitchen}) do
    """
    app = "desk"
    cookie_env = "KITCHEN_COOKIE"

    [device.porch]
    node = "#{porch.node}"
    cookie_file = ".porch"

    [device.kitchen]
    node = "#{kitchen.node}"

    [group.outside]
    devices = ["porch"]
    [group.all]
    devices = ["kitchen", "porch"]
    """
  end

  defp settings(%{project: project}, text),
    do: File.write!(Path.join(project.dir, "hotpush.toml"), text)

  # As above, but nothing has to be in the environment.
  defp files_alone(context) do
    text = String.replace(whole(context), ~r/cookie_env = .*/, "cookie_file = '.kitchen'")
    settings(context, text)
  end

  defp swap_alone(context, args \\ []), do: run(context.project, args, %{}, context.secrets)

  # With the kitchen's cookie in the environment, as the file asks for.
  defp swap(context, args \\ [], env \\ %{}) do
    env = Map.merge(%{"KITCHEN_COOKIE" => to_string(context.kitchen.cookie)}, env)
    run(context.project, args, env, context.secrets)
  end

  defp mistake(context, args \\ [], env \\ %{}) do
    {output, status} = swap(context, args, env)
    assert {status, output} == {2, output}
    refute output =~ "Successfully"
    output
  end

  # An edit, with what it makes the module answer.
  defp next(%{project: project}) do
    [answer] = Regex.run(~r/\d+/, File.read!(Path.join(project.dir, "lib/desk.ex")))
    next = String.to_integer(answer) + 1
    Project.edit(project, "lib/desk.ex", "do: #{answer}", "do: #{next}")
    next
  end

  defp deployed_to(output),
    do: for([_, name] <- Regex.scan(~r/^Successfully deployed \S+ to (\S+)$/m, output), do: name)

  defp nothing_differs({output, status}, names) do
    assert {status, output} == {0, output}
    for name <- names, do: assert(output =~ ~r/^Nothing differs on #{name}:/m)
    assert length(Regex.scan(~r/^Nothing differs on /m, output)) == length(names)
    assert deployed(output) == []
  end

  test "with no option every device of the file, each with its own cookie", context do
    answer = next(context)
    assert {output, 0} = swap(context)
    assert Enum.sort(deployed_to(output)) == ["kitchen", "porch"]
    assert Device.eval(context.porch, "Desk.hi()") == answer
    assert Device.eval(context.kitchen, "Desk.hi()") == answer
    # The file was read, so nothing is said of that.
    refute output =~ "note:"
    files_alone(context)
    nothing_differs(swap_alone(context), ["porch", "kitchen"])
  end

  # What each name means is in test/hotpush/settings_test.exs.
  test "nicknames, groups and node names, each device once", context do
    node = to_string(context.porch.node)
    files_alone(context)
    next(context)
    assert {output, 0} = swap_alone(context, ["kitchen"])
    assert deployed_to(output) == ["kitchen"]

    args = ["--device", "kitchen", "--group", "outside", "--node", node, "--node", "porch"]
    assert {output, 0} = swap_alone(context, args)
    assert deployed_to(output) == ["porch"]
    nothing_differs(swap_alone(context, args), ["kitchen", "porch"])
  end

  # As above.
  test "the environment over the file over the Mix config", context do
    wrong = "wrong-of-the-test"
    kitchen = to_string(context.kitchen.cookie)
    one = ["--node", "kitchen"]
    config = %{"SETTINGS" => inspect(nodes: [:"nobody@127.0.0.1"], cookie: kitchen)}

    # The file's devices in place of the Mix config's; its cookie too.
    assert {output, 1} = swap(context, one, Map.put(config, "KITCHEN_COOKIE", wrong))
    assert output =~ "most likely the cookie is wrong"

    # The environment in place of the file's.
    env = %{"KITCHEN_COOKIE" => wrong, "HOTPUSH_COOKIE" => kitchen}
    assert {"Successfully connected to kitchen\n" <> _, 0} = swap(context, one, env)
  end

  test "a cookie's file that others may read, and other cookies that are not there", context do
    path = Path.join(context.project.dir, ".porch")
    File.chmod!(path, 0o644)
    # It costs the device that needs it, and no other.
    assert {output, 1} = swap(context)

    assert output =~
             "hotpush.toml:6:15: other users of this computer have access to the cookie file"

    assert output =~ ~r/^Nothing differs on kitchen:|^Successfully deployed \S+ to kitchen$/m
    assert [_, command] = Regex.run(~r/run (chmod 600 \S+)$/m, output)
    {_, 0} = System.cmd("sh", ["-c", command])
    assert %{mode: 0o100600} = File.stat!(path)

    # Of all devices: a mistake in what was asked for.
    File.rm!(path)

    assert mistake(context, [], %{"KITCHEN_COOKIE" => ""}) =~
             ~r/hotpush.toml:6:15: .*\.porch cannot be read: no such file/
  end

  # One; each kind of mistake has its place in test/hotpush/settings_test.exs.
  test "a mistake is told with its line, its column and what was meant", context do
    settings(context, String.replace(whole(context), "cookie_env", "cookie_evn"))
    output = mistake(context)

    assert output =~
             ~r/^hotpush.toml:2:1: unknown key "cookie_evn" .* Did you mean cookie_env\?$/m
  end

  # What ssh's environment is, before the ssh behind it on PATH runs.
  @spy """
  #!/bin/sh
  env >>"${0%/*}/env"
  PATH=${PATH#*:} exec ssh "$@"
  """

  test "a stock device by ssh beside a node, in one group; ssh gets no cookie", context do
    shed = SshDevice.start(release: context.release)

    settings(
      context,
      whole(context) <>
        """
        [device.shed]
        ssh = "#{SshDevice.address(shed)}"
        cookie_env = "SHED_TOKEN"
        [group.mixed]
        devices = ["shed", "porch"]
        """
    )

    # Whatever the variable of a cookie is called, ssh does not get it; all others it gets.
    env = SshDevice.env(shed)
    spy = Path.join(Run.dir("spy"), "ssh")
    File.write!(spy, @spy)
    File.chmod!(spy, 0o755)
    path = Path.dirname(spy) <> ":" <> env["PATH"]
    told = %{"PATH" => path, "SHED_TOKEN" => "its cookie", "SHED_WORD" => "a word for ssh"}

    answer = next(context)
    assert {output, 0} = swap(context, ["--group", "mixed"], told)
    assert Enum.sort(deployed_to(output)) == ["porch", "shed"]
    assert Device.eval(shed.device, "Desk.hi()") == answer
    seen = File.read!(Path.join(Path.dirname(spy), "env"))
    assert seen =~ "SHED_WORD=a word for ssh"
    for name <- ["SHED_TOKEN", "KITCHEN_COOKIE"], do: refute(seen =~ name)

    # By its address it is the same device, and has its name.
    args = [SshDevice.address(shed), "--node", "shed", "--group", "outside"]
    nothing_differs(run(context.project, args, env, context.secrets), ["shed", "porch"])
  end

  test "without the native library the file is left out, and that is said", context do
    off = %{"HOTPUSH_NATIVE" => "off"}
    # What stands in it alone cannot be had.
    output = mistake(context, [], off)
    assert output =~ ~r/hotpush.toml.* native library, which is not loaded/
    assert output =~ "HOTPUSH_NATIVE"
    assert output =~ "rustup.rs) and run mix deps.compile hotpush --force."
    refute output =~ "note:"

    # Everything else works, with the devices and the cookie of the config.
    config = inspect(nodes: [context.kitchen.node], cookie: context.kitchen.cookie)
    env = Map.put(off, "SETTINGS", config)
    args = ["--verbose", "--json", "-"]
    assert {document, errors, 0} = run_apart(context.project, args, env, context.secrets)
    assert [note] = for("note: " <> note <- String.split(errors, "\n"), do: note)
    assert note =~ "hotpush.toml was not read"
    refute document =~ "note: hotpush.toml"
    assert errors =~ "Successfully connected to #{context.kitchen.node}"

    # Nor is one written that could not be read.
    path = Path.join(context.project.dir, "hotpush.toml")
    written = File.read!(path)
    args = ["hotpush.init", "--no-discover", "--force"]
    {output, 2} = Project.mix(context.project, args, off)

    assert output =~
             "hotpush.toml was not written: to read it, Hotpush needs its native library"

    assert File.read!(path) == written
  end
end
