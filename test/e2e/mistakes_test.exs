defmodule Hotpush.MistakesTest do
  @moduledoc """
  What a user sees who got something wrong, or whose computer or network has: a sentence with the
  next step and an exit status, never a stack trace and never the cookie.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Run}

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

  # One of each; what is said of others is the same sentence, and tested in test/hotpush/config_test.exs.
  test "the command line is wrong", %{project: project} do
    assert {"", errors, 2} = run_apart(project, ["--node", "a b@c\e[2J"])
    assert errors =~ "\"a b@c\\e[2J\" is not a node name"
    refute errors =~ "\e"
  end

  test "the configuration is wrong", %{project: project} do
    config = [nodes: ["nobody@127.0.0.1"], cookie: @secret, app_name: :dsek]
    {output, status} = run(project, [], settings(hotpush: config), [@secret])
    assert {status, output} == {2, output}
    assert output =~ "Did you mean desk?"
  end

  test "the older task's configuration works unchanged, and silently", context do
    %{project: project, device: device} = context
    node = to_string(device.node)
    cookie = to_string(device.cookie)
    legacy = [app_name: :desk, nodes: [device.node], cookie: device.cookie]

    {output, 0} = run(project, [], settings(mix_tasks_upload_hotswap: legacy), [cookie])
    assert output =~ ~r/\ASuccessfully connected to #{node}\nNothing differs on #{node}.*\n\z/
  end

  # Which one counts where several are right, is in test/hotpush/config_test.exs.
  test "the cookie: command line, home", context do
    %{project: project, device: device} = context
    node = ["--node", to_string(device.node)]
    cookie = to_string(device.cookie)
    # A home of the test's own; here the last one that is asked for a cookie has a wrong one.
    home = %{project | home: Path.join(project.home, "other")}
    home(home, @secret)

    # All but the one that counts are wrong.
    wrong = Map.put(settings(hotpush: [cookie: @secret]), "HOTPUSH_COOKIE", @secret)
    {output, status} = run(home, node ++ ["--cookie", cookie], wrong, [cookie, @secret])
    assert {status, output} == {0, output}

    home = %{project | home: Path.join(project.home, "third")}
    home(home, cookie)
    assert {_, 0} = run(home, node, %{}, [cookie])
  end

  # One that could be no cookie is in test/hotpush/config_test.exs.
  test "the cookie is wrong, and never shows", %{project: project, device: device} do
    secrets = ["s3cr", to_string(device.cookie)]
    path = Path.join(Run.dir("json"), "document")
    args = ["--verbose", "--json", path]
    {output, 1} = push(project, device, args, %{"HOTPUSH_COOKIE" => "s3cr'\"{} et\\"})
    document = File.read!(path)
    assert document =~ "cookie"
    decent(output <> document, secrets)
    assert output =~ "refuses the connection: most likely the cookie is wrong"
    assert output =~ "HOTPUSH_COOKIE"
    again(project, device)
  end

  # For no epmd, see test/hotpush/connection_test.exs.
  test "the node cannot be reached", %{project: project, device: device} do
    [name, _] = device.node |> to_string() |> String.split("@")

    nodes = [
      {"nobody@127.0.0.1", "does not know this name. It knows"},
      {"#{name}@device.invalid", "the host name device.invalid does not resolve"},
      {"#{name}@localhost", "failed: #{name}@localhost"}
    ]

    args = for {node, _} <- nodes, arg <- ["--node", node], do: arg
    {output, status} = run(project, args, %{"HOTPUSH_COOKIE" => @secret}, [@secret])
    assert {status, output} == {1, output}
    for {_, says} <- nodes, do: assert(output =~ says)
    refute output =~ "Successfully"
  end

  test "this host has no usable home", %{project: project, device: device} do
    {output, status} = push(project, device, [], %{"HOME" => "/nonexistent"})
    # Where a cookie is given, some releases of OTP do without a home.
    assert status in [0, 1], output
    if status == 1, do: assert(output =~ ~r/no usable HOME|HOME/)
  end

  test "the project is not compiled, and is not to be", %{project: project} do
    build = %{"MIX_BUILD_PATH" => Path.join(project.dir, "_build/empty")}
    Project.prebuild(project, build["MIX_BUILD_PATH"])
    {output, 2} = run(project, ["--node", "nobody@127.0.0.1", "--no-compile"], build)

    assert output =~ "_build/empty has no compiled code of this project: run mix compile"
  end

  test "hotpush is a development dependency: elsewhere there is no such task", %{project: project} do
    {output, status} = Project.mix(project, ["upload.hotswap"], %{"MIX_ENV" => "prod"})
    assert status == 1
    assert output =~ "The task \"upload.hotswap\" could not be found"
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
end
