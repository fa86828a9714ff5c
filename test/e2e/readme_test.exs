defmodule Hotpush.ReadmeTest do
  @moduledoc "What the README says is typed, is typed here."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Epmd, Hotswap, Ports, Project, Run, SshDevice}

  @root Path.expand("../..", __DIR__)
  @readme File.read!(Path.join(@root, "README.md"))

  defp blocks(language) do
    for [_, block] <- Regex.scan(~r/```#{language}\n(.*?)```/s, @readme), do: block
  end

  # `$ command    # comment`
  defp commands do
    for block <- blocks("sh"), "$ " <> line <- String.split(block, "\n") do
      line |> String.split("#") |> hd() |> OptionParser.split()
    end
  end

  defp mix(project, ["upload.hotswap" | args], env, secrets),
    do: Hotswap.run(project, args, env, secrets)

  defp mix(project, args, env, secrets) do
    {output, status} = Project.mix(project, args, env)
    Hotswap.decent(output, secrets)
    {output, status}
  end

  @tag :ssh
  test "every mix command, and the code for iex, works in the project that it describes" do
    name = Run.name("example")
    node = "#{name}@127.0.0.1"
    [config] = for block <- blocks("elixir"), block =~ "config :hotpush", do: block
    assert [_deps, ^config, _prepare, api] = blocks("elixir")

    project =
      Project.new(
        app: :example,
        extra_applications: [:logger, :iex, :ssh, :public_key],
        files: %{
          "lib/example.ex" => "defmodule Example do\n  def v, do: 1\nend\n",
          "lib/example/foo.ex" => "defmodule Example.Foo do\n  def v, do: 1\nend\n",
          "lib/example/web.ex" => "defmodule Example.Web.Page do\n  def v, do: 1\nend\n"
        },
        config: "import Config\n" <> String.replace(config, "example@nerves.local", node)
      )

    [_, cookie] = Regex.run(~r/cookie: :"([^"]+)"/, config)
    release = Project.release(project)
    device = Device.start(release: release, name: name, cookie: cookie)
    stock = SshDevice.start(release: release, names: ["nerves.local"])
    typed = for ["mix" | _] = line <- commands(), do: line
    assert length(typed) >= 8

    Project.edit(project, "lib/example.ex", "v, do: 1", "v, do: 2")

    for ["mix" | args] <- typed do
      args = Enum.map(args, &String.replace(&1, "example@nerves.local", node))
      {output, status} = mix(project, args, SshDevice.env(stock), [cookie])
      assert {0, output} == {status, output}
      # What it found is for its reader to take in; here the config stays.
      if args == ["hotpush.init"], do: File.rm!(Path.join(project.dir, "hotpush.toml"))
    end

    assert Device.eval(device, "Example.v()") == 2
    assert Device.eval(stock.device, "Example.v()") == 2

    Project.edit(project, "lib/example.ex", ~r/v, do: \d+/, "v, do: 42")

    Project.write(
      project,
      "script.exs",
      api <> "\nIO.inspect({nodes, pushed_count, failed_list})"
    )

    output = Project.mix!(project, ["run", "--no-start", "script.exs"], SshDevice.env(stock))
    assert output =~ "{[:\"#{node}\"], 0, []}"
    assert Device.eval(stock.device, "Example.v()") == 42

    # Where Hotpush is not there, nothing complains of its configuration.
    output = Project.mix!(project, ["run", "-e", "IO.puts(1)"], %{"MIX_ENV" => "test"})
    refute output =~ "hotpush"

    # The lines that the README shows, but for its figures.
    assert @readme =~ "Successfully connected to nerves.local\n"
    assert @readme =~ "Successfully deployed Elixir.Example to nerves.local\n"
  end

  test "what starts distribution on the device does not on this computer" do
    [_, _, prepare, _] = blocks("elixir")
    [config, start] = String.split(prepare, ~r/^# lib.*$/m)
    node = "#{Run.name("example")}@127.0.0.1"

    project =
      Project.new(
        app: :example,
        config: "import Config\n" <> String.replace(config, "example@nerves.local", node),
        mod: {Example.Application, []},
        files: %{
          "lib/example.ex" => """
          defmodule Example.Application do
            use Application

            def start(_type, _args) do
              #{start}
              Supervisor.start_link([], strategy: :one_for_one)
            end
          end
          """
        }
      )

    assert Project.mix!(project, ["run", "-e", "IO.inspect(node())"]) =~ "\n:nonode@nohost\n"
    release = Project.release(project)

    {output, 0} =
      System.cmd(
        "sh",
        [
          "-c",
          ~s(RELEASE_DISTRIBUTION=none "$0" eval "$1"),
          Path.join(release, "bin/example"),
          """
          {:ok, _} = Application.ensure_all_started(:example)
          IO.inspect({node(), Node.get_cookie()})
          """
        ],
        stderr_to_stdout: true,
        env: Run.clean_env()
      )

    assert output =~ ~s({:"#{node}", :"secret token shared between nodes"})
  end

  test "its hotpush.toml is one" do
    [text] = blocks("toml")
    dir = Run.dir("readme")
    File.mkdir_p!(dir)
    File.write!(Path.join(dir, "hotpush.toml"), text)
    assert {:ok, settings} = Hotpush.Config.Toml.read(dir)
    assert Enum.map(settings.devices, & &1.nickname) == ["kitchen", "porch"]
    assert settings.groups == %{"all" => ["kitchen", "porch"]}
  end

  test "the options in its table are those of the task" do
    shown = Regex.scan(~r/`(--[a-z-]+)/, @readme) |> Enum.map(&List.last/1) |> Enum.uniq()
    {:docs_v1, _, _, _, %{"en" => manual}, _, _} = Code.fetch_docs(Mix.Tasks.Upload.Hotswap)
    in_manual = Regex.scan(~r/`(--[a-z-]+)/, manual) |> Enum.map(&List.last/1) |> Enum.uniq()
    assert Enum.sort(shown) == Enum.sort(in_manual)
  end

  test "its code is code, and its links lead somewhere" do
    for block <- blocks("elixir"), do: assert({:ok, _} = Code.string_to_quoted(block))

    for [_, path] <- Regex.scan(~r/\]\(([^)#]+)\)/, @readme),
        not String.starts_with?(path, "http") do
      assert File.exists?(Path.join(@root, path)), path
    end
  end

  test "bin/demo shows a changed answer and a kept state" do
    assert ["bin/demo"] in commands() and ["bin/test"] in commands()

    # Where no epmd runs yet, as on a computer that never had a node.
    port = Ports.free()
    on_exit(fn -> Epmd.stop(port) end)
    env = [{"ERL_EPMD_PORT", "#{port}"} | Run.clean_env()]
    demo = Path.join(@root, "bin/demo")
    {output, status} = System.cmd(demo, [], stderr_to_stdout: true, env: env)
    assert {0, output} == {status, output}
    # It shows what it does, and nothing of what it needs for that.
    assert output =~ ~r/^== Building .*^==> hotpush$.*^Compiling .*^== Starting/ms
    refute output =~ ~r/epmd|Terminated|Killed/i
    assert {:error, :econnrefused} = :gen_tcp.connect({127, 0, 0, 1}, port, [])
    assert output =~ ~r/^Successfully deployed Elixir.Blinky to \S+$/m
    assert output =~ ~r/^Good morning from the new blinky/m
    assert output =~ ~r/^Blinky.Led is still #PID/m
  end
end
