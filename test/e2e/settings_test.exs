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
    File.write!(Path.join(project.dir, ".porch"), "#{context.porch.cookie}\n")
    File.chmod!(Path.join(project.dir, ".porch"), 0o600)
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

  defp nothing_differs(context, args, names, env \\ %{}) do
    assert {output, 0} = swap(context, args, env)
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
    nothing_differs(context, [], ["porch", "kitchen"])
  end

  test "nicknames, groups and node names, each device once", context do
    node = to_string(context.porch.node)

    for {args, names} <- [
          {["--node", "porch"], ["porch"]},
          {["--device", "kitchen", "--device", "porch"], ["kitchen", "porch"]},
          {["--group", "outside"], ["porch"]},
          {["--node", node, "--group", "outside", "--node", "porch"], ["porch"]},
          {["kitchen"], ["kitchen"]},
          {["--group", "all", "--group", "outside"], ["kitchen", "porch"]}
        ] do
      next(context)
      assert {output, 0} = swap(context, args)
      assert Enum.sort(deployed_to(output)) == names
      nothing_differs(context, args, names)
    end

    swap(context)
    nothing_differs(context, [], ["porch", "kitchen"])
  end

  test "the command line over the environment over the file over the Mix config", context do
    wrong = "wrong-of-the-test"
    kitchen = to_string(context.kitchen.cookie)
    one = ["--node", "kitchen"]
    config = %{"SETTINGS" => inspect(nodes: [:"nobody@127.0.0.1"], cookie: kitchen)}
    next(context)

    # The file's devices in place of the Mix config's; its cookie too.
    assert {output, 1} = swap(context, one, Map.put(config, "KITCHEN_COOKIE", wrong))
    assert output =~ "most likely the cookie is wrong"
    assert {output, 0} = swap(context, [], config)
    assert Enum.sort(deployed_to(output)) == ["kitchen", "porch"]

    # The environment in place of the file's, the command line in place of both.
    env = %{"KITCHEN_COOKIE" => wrong, "HOTPUSH_COOKIE" => kitchen}
    nothing_differs(context, one, ["kitchen"], env)
    assert {_, 1} = swap(context, one, %{"HOTPUSH_COOKIE" => wrong})
    env = %{"KITCHEN_COOKIE" => wrong, "HOTPUSH_COOKIE" => wrong}
    nothing_differs(context, one ++ ["--cookie", kitchen], ["kitchen"], env)

    # A device's own cookie gives way, too.
    assert {_, 1} = swap(context, ["--node", "porch"], %{"HOTPUSH_COOKIE" => wrong})

    # Where the file is silent the Mix config counts.
    settings(context, "[device.kitchen]\nnode = '#{context.kitchen.node}'\n")
    nothing_differs(context, [], ["kitchen"], config)
    settings(context, "cookie_env = 'KITCHEN_COOKIE'\n")
    config = %{"SETTINGS" => inspect(nodes: [context.kitchen.node], cookie: wrong)}
    nothing_differs(context, [], [to_string(context.kitchen.node)], config)
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
    assert {_, 0} = swap(context)

    File.rm!(path)
    assert {output, 1} = swap(context)
    assert output =~ ~r/hotpush.toml:6:15: .*\.porch cannot be read: no such file/
    assert output =~ ~r/^Nothing differs on kitchen:/m
    # Of all devices: a mistake in what was asked for.
    assert mistake(context, [], %{"KITCHEN_COOKIE" => ""}) =~ "cannot be read"
    output = mistake(context, ["--node", "kitchen"], %{"KITCHEN_COOKIE" => ""})
    assert output =~ "hotpush.toml:2:14: the environment variable KITCHEN_COOKIE is not set"
    # Whose cookie it is, is not asked for where that device is not meant.
    nothing_differs(context, ["--node", "kitchen"], ["kitchen"])
  end

  # A few; each kind of mistake has its place in test/hotpush/settings_test.exs.
  test "a mistake is told with its line, its column and what was meant", context do
    whole = whole(context)

    for {text, says} <- [
          {String.replace(whole, "cookie_env", "cookie_evn"),
           ~r/^hotpush.toml:2:1: unknown key "cookie_evn" .* Did you mean cookie_env\?$/m},
          {String.replace(whole, "[\"porch\"]", "[\"prch\"]"),
           ~r/^hotpush.toml:12:12: this file has no \[device.prch\]. Did you mean porch\?$/m},
          {"app = \"desk", ~r/^hotpush.toml:1:\d+: /m},
          {"[device.\"\\u001b[2J\"]\nssh = 'a'", ~r/^hotpush.toml:1:9: a device's name/m}
        ] do
      settings(context, text)
      output = mistake(context)
      assert output =~ says
      refute output =~ "\e"
    end

    settings(context, whole)

    assert mistake(context, ["--node", "prch"]) =~
             "hotpush.toml has no [device.prch]. Did you mean porch?"

    assert mistake(context, ["--device", "prch"]) =~
             "no device matches prch: it is not a nickname, node or host in your configuration. " <>
               "Did you mean porch?"

    assert mistake(context, ["--group", "al"]) =~
             "hotpush.toml has no [group.al]. Did you mean all?"

    settings(context, "app = 'dsek'\n" <> String.replace(whole, "app = \"desk\"", ""))
    assert mistake(context) =~ "no application of this project is named dsek. Did you mean desk?"
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

    env = Map.put(SshDevice.env(shed), "SHED_WORD", "a word for ssh")
    answer = next(context)
    assert {output, 0} = swap(context, ["--group", "mixed"], env)
    assert Enum.sort(deployed_to(output)) == ["porch", "shed"]
    assert Device.eval(shed.device, "Desk.hi()") == answer
    nothing_differs(context, ["--group", "mixed"], ["porch", "shed"], env)

    # Whatever the variable of a cookie is called; all others it gets.
    spy = Path.join(Run.dir("spy"), "ssh")
    File.write!(spy, @spy)
    File.chmod!(spy, 0o755)
    path = Path.dirname(spy) <> ":" <> env["PATH"]
    token = Map.merge(env, %{"PATH" => path, "SHED_TOKEN" => "its cookie"})
    nothing_differs(context, ["--device", "shed", "--device", "porch"], ["shed", "porch"], token)
    seen = File.read!(Path.join(Path.dirname(spy), "env"))
    assert seen =~ "SHED_WORD=a word for ssh"
    for name <- ["SHED_TOKEN", "KITCHEN_COOKIE"], do: refute(seen =~ name)

    # By its address it is the same device, and has its name.
    nothing_differs(context, [SshDevice.address(shed)], ["shed"], env)
    nothing_differs(context, ["--ssh", SshDevice.address(shed), "--node", "shed"], ["shed"], env)
  end

  test "a child of an umbrella finds the file of the root, or its own" do
    files = %{"lib/roof.ex" => "defmodule Roof do\nend\n"}
    children = [{:back, [files: files, deps: [Project.Source.hotpush_dep()]]}]
    root = Project.new(app: :roof, config: "import Config\n", children: children)
    child = %{root | dir: Path.join(root.dir, "apps/back")}
    File.write!(Path.join(root.dir, "hotpush.toml"), "app = 1")

    for project <- [root, child] do
      assert {output, 2} = run(project, [])
      assert output =~ ~r/^\S*hotpush.toml:1:7: "app" should be/m
    end

    File.write!(Path.join(child.dir, "hotpush.toml"), "# own\napp = 1")
    assert {output, 2} = run(child, [])
    assert output =~ ~r/^hotpush.toml:2:7: /m
  end

  test "without the native library the file is left out, and that is said", context do
    off = %{"HOTPUSH_NATIVE" => "off"}
    name = to_string(context.kitchen.node)

    # What stands in it alone cannot be had.
    for args <- [[], ["--node", "kitchen"], ["--group", "all"]] do
      output = mistake(context, args, off)
      assert output =~ ~r/hotpush.toml.* native library, which is not loaded/
      assert output =~ "HOTPUSH_NATIVE"
      assert output =~ "rustup.rs) and run mix deps.compile hotpush --force."
      refute output =~ "note:"
    end

    # Everything else works, with the cookie of the environment or the config.
    env = Map.put(off, "HOTPUSH_COOKIE", to_string(context.kitchen.cookie))
    args = ["--node", name, "--json", "-"]
    assert {document, errors, 0} = run_apart(context.project, args, env, context.secrets)
    assert [note] = for("note: " <> note <- String.split(errors, "\n"), do: note)
    assert note =~ "hotpush.toml was not read"
    refute document =~ "note: hotpush.toml"

    config = inspect(nodes: [context.kitchen.node], cookie: context.kitchen.cookie)
    env = Map.put(off, "SETTINGS", config)
    assert {"note: hotpush.toml was not read" <> output, 0} = swap(context, [], env)
    assert output =~ "Nothing differs on #{name}"

    assert {"Successfully connected" <> _, 0} =
             swap(context, [], Map.put(env, "HOTPUSH_NATIVE", nil))

    # Nor is one written that could not be read.
    path = Path.join(context.project.dir, "hotpush.toml")
    written = File.read!(path)

    for args <- [[], ["--force"]] do
      {output, 2} = Project.mix(context.project, ["hotpush.init", "--no-discover" | args], off)

      assert output =~
               "hotpush.toml was not written: to read it, Hotpush needs its native library"

      assert File.read!(path) == written
    end
  end
end
