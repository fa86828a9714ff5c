defmodule Hotpush.MistakesTest do
  @moduledoc """
  What a user sees who got something wrong, or whose computer or network has: a sentence with the
  next step and an exit status, never a stack trace and never the cookie.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Ports, Project, Run}

  @secret "s3cret-of-the-test"

  # A variable holds the settings, so that another one compiles nothing again.
  @config """
  import Config
  {settings, _} = Code.eval_string(System.get_env("SETTINGS") || "[]")
  for {app, keys} <- settings, do: config(app, keys)
  """

  setup_all do
    source = "defmodule Desk do\n  def hi, do: 1\nend\n"
    project = Project.new(app: :desk, files: %{"lib/desk.ex" => source}, config: @config)
    %{project: project, device: Device.start(release: Project.release(project))}
  end

  test "no device is named", %{project: project} do
    assert {output, 2} = run(project, [])
    assert output =~ "no device is named. Name a host that answers ssh, as in mix upload.hotswap"
    assert output =~ "config :hotpush, nodes:"
    assert output =~ "mix hotpush.init"
  end

  test "a file of the build is damaged: a dry run says so as the push does", context do
    project = context.project
    push!(project, context.device)
    [path] = Path.wildcard(Path.join(project.dir, "_build/dev/lib/desk/ebin/Elixir.Desk.beam"))
    whole = File.read!(path)
    File.write!(path, binary_part(whole, 0, 100))
    on_exit(fn -> File.write!(path, whole) end)

    for args <- [["--no-compile", "--dry-run"], ["--no-compile"]] do
      assert {output, 1} = push(project, context.device, args)
      assert output =~ ~r/failed: .*Elixir.Desk.beam: the file ends too early/
    end

    File.write!(path, whole)
    again(project, context.device)
  end

  # A few; what is said of others is the same sentence, and tested in test/hotpush/config_test.exs.
  test "the command line is wrong", %{project: project} do
    for {args, says} <- [
          {["--colour"], "unknown option --colour: \"mix help upload.hotswap\" lists them."},
          {["--cookei", @secret], "unknown option --cookei"},
          {["a b"], "\"a b\" is not a host to reach by ssh: it has the form [user@]host[:port]"},
          {["--cookie", "a", @secret], "Put a cookie with spaces in quotes"},
          {["--node", "a b@c\e[2J"], "\"a b@c\\e[2J\" is not a node name"},
          {["--app", "hotpush", "--node", "a@b"], "hotpush itself is never pushed"},
          {["--json", "--quiet"], "--json takes a path"}
        ] do
      {output, status} = run(project, args, %{}, [@secret])
      assert {status, output} == {2, output}
      assert output =~ says
      refute output =~ "\e"
    end
  end

  # As above.
  test "the configuration is wrong", %{project: project} do
    node = "nobody@127.0.0.1"

    for {config, says} <- [
          {[nodes: 42], "config :hotpush, nodes: should be a list of node names."},
          {[nodes: [node], cookie: [@secret]], "cookie: should be an atom or a string"},
          {[nodes: [node], app_name: :dsek], "Did you mean desk?"}
        ] do
      {output, status} = run(project, [], settings(hotpush: config), [@secret])
      assert {status, output} == {2, output}
      assert output =~ says
    end
  end

  test "the older task's configuration works unchanged, and silently", context do
    %{project: project, device: device} = context
    node = to_string(device.node)
    cookie = to_string(device.cookie)
    legacy = [app_name: :desk, nodes: [device.node], cookie: device.cookie]

    {output, 0} = run(project, [], settings(mix_tasks_upload_hotswap: legacy), [cookie])
    assert output =~ ~r/\ASuccessfully connected to #{node}\nNothing differs on #{node}.*\n\z/

    # The own one wins, as a whole.
    own = [nodes: [:"nobody@127.0.0.1"]]
    both = settings(mix_tasks_upload_hotswap: legacy, hotpush: own)
    {output, 1} = run(project, [], both, [cookie])
    assert output =~ "failed: nobody@127.0.0.1"
    refute output =~ "#{node}:"
  end

  test "the cookie: command line, environment, configuration, home", context do
    %{project: project, device: device} = context
    node = ["--node", to_string(device.node)]
    cookie = to_string(device.cookie)
    wrong = settings(hotpush: [cookie: @secret])
    right = settings(hotpush: [cookie: cookie])
    # A home of the test's own; here the last one that is asked for a cookie has a wrong one.
    home = %{project | home: Path.join(project.home, "other")}
    home(home, @secret)

    # Where several are given, all but the one that counts are wrong.
    for {args, env} <- [
          {["--cookie", cookie], Map.put(wrong, "HOTPUSH_COOKIE", @secret)},
          {[], Map.put(wrong, "HOTPUSH_COOKIE", cookie)},
          {[], right},
          {[], Map.put(right, "HOTPUSH_COOKIE", "")}
        ] do
      {output, status} = run(home, node ++ args, env, [cookie, @secret])
      assert {status, output} == {0, output}
    end

    assert {_, 1} = run(home, node, %{}, [cookie, @secret])
    home = %{project | home: Path.join(project.home, "third")}
    home(home, cookie)
    assert {_, 0} = run(home, node, %{}, [cookie])
  end

  test "the cookie is wrong or absurd, and never shows", %{project: project, device: device} do
    for wrong <- [@secret, String.duplicate("s3cr", 75), "s3cr'\"{}\\", "s3cr et", "s3crät€"] do
      secrets = ["s3cr", to_string(device.cookie)]

      path = Path.join(Run.dir("json"), "document")
      args = ["--verbose", "--json", path]
      {output, status} = push(project, device, args, %{"HOTPUSH_COOKIE" => wrong})
      document = File.read!(path)
      assert status in [1, 2], output
      assert output =~ "cookie" and document =~ "cookie"
      decent(output <> document, secrets)
    end

    {output, 1} =
      run(project, ["--node", to_string(device.node), "--cookie", @secret], %{}, [@secret])

    assert output =~ "refuses the connection: most likely the cookie is wrong"
    assert output =~ "HOTPUSH_COOKIE"
    again(project, device)
  end

  test "the node cannot be reached", %{project: project, device: device} do
    [name, _] = device.node |> to_string() |> String.split("@")
    closed = closed_port()

    for {node, env, says} <- [
          {"nobody@127.0.0.1", %{}, "does not know this name. It knows"},
          {"#{name}@device.invalid", %{}, "the host name device.invalid does not resolve"},
          {to_string(device.node), %{"ERL_EPMD_PORT" => closed},
           "no epmd answers at 127.0.0.1, port #{closed}"},
          {"#{name}@localhost", %{}, "failed: #{name}@localhost"}
        ] do
      env = Map.merge(env, %{"HOTPUSH_COOKIE" => @secret})
      {output, status} = run(project, ["--node", node], env, [@secret])
      assert {status, output} == {1, output}
      assert output =~ says
      refute output =~ "Successfully"
    end
  end

  test "this host has no usable home", %{project: project, device: device} do
    for home <- ["/nonexistent", "/proc/1"] do
      {output, status} = push(project, device, [], %{"HOME" => home})
      # Where a cookie is given, some releases of OTP do without a home.
      assert status in [0, 1], output
      if status == 1, do: assert(output =~ ~r/no usable HOME|HOME/)
    end
  end

  test "the project does not compile", %{device: device} do
    project =
      Project.new(app: :desk, files: %{"lib/desk.ex" => "defmodule Desk do\n  def hi, do:\n"})

    {output, status} = Project.mix(project, ["upload.hotswap", "--node", to_string(device.node)])
    assert status == 1
    assert output =~ "lib/desk.ex"
    refute output =~ "Successfully"
    refute output =~ "(hotpush "
  end

  test "the project is not compiled, and is not to be", %{project: project} do
    build = %{"MIX_BUILD_PATH" => Path.join(project.home, "build")}
    Project.prebuild(project, build["MIX_BUILD_PATH"])
    {_, 0} = Project.mix(project, ["deps.compile"], build)
    {output, 2} = run(project, ["--node", "nobody@127.0.0.1", "--no-compile"], build)

    assert output =~
             "#{build["MIX_BUILD_PATH"]} has no compiled code of this project: run mix compile"
  end

  test "hotpush is a development dependency: elsewhere there is no such task", %{project: project} do
    {output, status} = Project.mix(project, ["upload.hotswap"], %{"MIX_ENV" => "prod"})
    assert status == 1
    assert output =~ "The task \"upload.hotswap\" could not be found"
  end

  test "mix help upload.hotswap is the manual, and shows every option", %{project: project} do
    output = Project.mix!(project, ["help", "upload.hotswap"])

    for option <-
          ~w(--ssh --node --device --group --discover --module --app --all --dry-run --json --no-compile --timeout --wait --purge
             --force --docs --cookie --verbose --quiet HOTPUSH_COOKIE
             hotpush.toml) do
      assert output =~ option
    end

    assert Project.mix!(project, ["help"]) =~ "mix upload.hotswap"
  end

  test "a device that answers control characters does not command the terminal", context do
    device = Device.start(erlang_only: true)
    :ok = Device.call(device, :application, :load, [{:application, :elixir, vsn: ~c"1.\e[2J"}])
    # On another project's device, that alone would be said.
    :ok = Device.call(device, :application, :load, [{:application, :desk, modules: [Desk]}])
    {output, 1} = push(context.project, device, ["--verbose"])
    assert output =~ ~S(runs Elixir "1.\e[2J")
    refute output =~ "\e"
  end

  defp settings(settings), do: %{"SETTINGS" => inspect(settings)}

  defp home(project, cookie) do
    path = Path.join(project.home, ".erlang.cookie")
    File.mkdir_p!(project.home)
    File.write!(path, cookie)
    File.chmod!(path, 0o400)
  end

  defp closed_port, do: to_string(Ports.free())
end
