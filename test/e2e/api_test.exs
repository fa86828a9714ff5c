defmodule Hotpush.ApiE2ETest do
  @moduledoc """
  The functions of `Hotpush` as a developer calls them in `iex -S mix`: in one VM of the project,
  which stays, while its files are edited.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Project, SshDevice}

  @files %{
    "lib/desk.ex" => "defmodule Desk do\n  def v, do: 1\nend\n",
    "lib/lamp.ex" => "defmodule Lamp do\n  def v, do: 1\nend\n"
  }

  setup_all do
    project =
      Project.new(
        app: :desk,
        files: @files,
        extra_applications: [:logger, :iex, :ssh, :public_key]
      )

    release = Project.release(project)
    %{project: project, release: release}
  end

  # A script in the project's VM; it prints the value of each `say`, and edits by `edit`.
  @prelude ~S"""
  say = fn value -> IO.puts(["said ", inspect(value, limit: :infinity)]); value end
  wait = fn path ->
    last = Path.wildcard("_build/*/lib/*/.mix/*", match_dot: true)
           |> Enum.map(&File.stat!(&1, time: :posix).mtime) |> Enum.max()
    Stream.repeatedly(fn -> System.os_time(:second) end) |> Enum.find(& &1 > last)
    path
  end
  edit = fn path, from, to ->
    text = File.read!(wait.(path))
    true = text =~ from
    File.write!(path, String.replace(text, from, to))
  end
  _ = {say, edit}
  """

  defp script(project, code, env, secrets) do
    Project.write(project, "script.exs", @prelude <> code)
    {output, status} = Project.mix(project, ["run", "--no-start", "script.exs"], env)
    Hotswap.decent(output, secrets)
    assert status == 0, output
    for [_, value] <- Regex.scan(~r/^said (.*)$/m, output), do: value
  end

  defp env(device, more \\ %{}) do
    Map.merge(
      %{"HOTPUSH_COOKIE" => to_string(device.cookie), "NODE" => to_string(device.node)},
      more
    )
  end

  # Mix compiles nothing for a second caller while the first one still compiles.
  test "pushes at the same time all push what was saved before them", %{release: release} do
    files =
      for n <- 1..40,
          into: %{},
          do: {"lib/many#{n}.ex", "defmodule Many#{n} do\n  def v, do: 1\nend\n"}

    project = Project.new(app: :many, files: files, extra_applications: [:logger])
    Project.mix!(project, ["compile"])
    devices = for _ <- 1..4, do: Device.start(release: release, cookie: "one_for_all")
    for n <- 1..40, do: Project.edit(project, "lib/many#{n}.ex", "v, do: 1", "v, do: 2")
    nodes = Enum.map_join(devices, " ", & &1.node)

    said =
      script(
        project,
        ~S"""
        System.get_env("NODES")
        |> String.split()
        |> Enum.map(&Task.async(fn -> Hotpush.push(node: &1, force: true) end))
        |> Task.await_many(:infinity)
        |> Enum.map(fn {:ok, report} -> say.(Hotpush.Report.exit_status(report)) end)
        """,
        %{"HOTPUSH_COOKIE" => "one_for_all", "NODES" => nodes},
        ["one_for_all"]
      )

    assert said == ~w(0 0 0 0)

    for device <- devices do
      all = Enum.map_join(1..40, ", ", &"Many#{&1}.v()")
      assert Device.eval(device, "[#{all}]") == List.duplicate(2, 40)
    end
  end

  test "plan, push, and again, in a VM that stays", %{project: project, release: release} do
    device = Device.start(release: release)

    said =
      script(
        project,
        ~S"""
        node = System.get_env("NODE")
        {:ok, report} = Hotpush.push(node: node)
        say.(Hotpush.Report.exit_status(report))
        edit.("lib/desk.ex", ~r/v, do: \d+/, "v, do: 12")
        {:ok, [plan], []} = Hotpush.plan(node: node)
        say.(Enum.map(plan.load, &{&1.module, &1.reason}))
        {:ok, report} = Hotpush.push(node: node)
        say.(hd(report.outcomes).loaded)
        edit.("lib/desk.ex", "v, do: 12", "v, do: 13")
        {:ok, report} = Hotpush.push(node: node, module: Desk)
        say.(hd(report.outcomes).loaded)
        {:ok, report} = Hotpush.push(node: node)
        say.({hd(report.outcomes).loaded, hd(report.outcomes).round_trips})
        say.(node())
        """,
        env(device),
        [to_string(device.cookie)]
      )

    assert said == [
             "0",
             ~S([{"Elixir.Desk", :code}]),
             ~S(["Elixir.Desk"]),
             ~S(["Elixir.Desk"]),
             "{[], 1}",
             ":nonode@nohost"
           ]

    assert Device.call(device, Desk, :v, []) == 13
  end

  test "connect, snapshot, push_changed, push_all", %{project: project, release: release} do
    device = Device.start(release: release)
    two = Device.start(release: release, cookie: device.cookie)

    said =
      script(
        project,
        ~S"""
        nodes = [one, two, nobody] = Enum.map(~w(NODE TWO NOBODY), &String.to_atom(System.get_env(&1)))
        Mix.Task.run("compile")
        say.(Enum.sort(Hotpush.connect(node: nodes, timeout: 3_000)) == Enum.sort([one, two]))
        say.({node() != :nonode@nohost, Enum.sort(Node.list(:hidden)) == Enum.sort([one, two])})
        say.(Hotpush.connect(device: nobody, timeout: 2_000))
        both = [one, two]
        Hotpush.push_all(both)
        before = Hotpush.snapshot_beams()
        say.(Enum.map(Map.keys(before), &Path.basename/1) |> Enum.filter(&(&1 =~ "Desk" or &1 =~ "Lamp")))
        say.(Hotpush.push_changed(both, before))
        # The same code, written anew; and other code, with the time of the old.
        [path] = for p <- Map.keys(before), Path.basename(p) == "Elixir.Lamp.beam", do: p
        File.write!(path, File.read!(path))
        File.touch!(path, System.os_time(:second) + 100)
        say.(Hotpush.snapshot_beams() == before)
        edit.("lib/desk.ex", ~r/v, do: \d+/, "v, do: 7")
        edit.("lib/lamp.ex", ~r/v, do: \d+/, "v, do: 7")
        say.(Hotpush.push_changed(both, before))
        Hotpush.plan(node: one)
        File.touch!(path, 1)
        mixed = Map.put(Hotpush.snapshot_beams(), path, before[path])
        say.(Hotpush.push_changed(both, mixed))
        say.(Hotpush.push_all(both))
        say.(Hotpush.push_all(both))
        {count, failed} = Hotpush.push_all(both, all: true)
        say.({count >= 2, failed})
        {0, [{nil, failed_node, error}]} = Hotpush.push_all([nobody], timeout: 2_000)
        say.({failed_node == nobody, error.stage})
        say.(Enum.sort(Node.list(:hidden)) == Enum.sort(both))
        say.(Enum.map(Hotpush.runtime_beam_dirs(), &Path.basename(Path.dirname(&1))))
        """,
        env(device, %{"TWO" => to_string(two.node), "NOBODY" => "nobody@127.0.0.1"}),
        [to_string(device.cookie)]
      )

    assert said == [
             "true",
             "{true, true}",
             "[]",
             ~S(["Elixir.Desk.beam", "Elixir.Lamp.beam"]),
             "{0, []}",
             "true",
             # Nothing is compiled by it.
             "{0, []}",
             "{1, []}",
             "{1, []}",
             "{0, []}",
             "{true, []}",
             "{true, :connect}",
             "true",
             ~S(["desk", "desk"])
           ]

    for d <- [device, two], do: assert(Device.call(d, Desk, :v, []) == 7)
    Hotswap.again(project, device)
  end

  test "one device by its id, however it is reached", %{project: project, release: release} do
    device = Device.start(release: release)
    stock = SshDevice.start(release: release)
    settings = "[device.stock]\nssh = \"#{SshDevice.address(stock)}\"\n"
    Project.write(project, "hotpush.toml", settings)
    on_exit(fn -> File.rm(Path.join(project.dir, "hotpush.toml")) end)
    Project.write(project, "lib/new.ex", "defmodule New do\n  def v, do: 1\nend\n")

    said =
      script(
        project,
        ~S"""
        Mix.Task.run("compile")
        {count, []} = Hotpush.push_all_to_device("stock")
        say.(count >= 1)
        say.(Hotpush.push_all_to_device("stock"))
        {:ok, %{outcomes: [outcome]}} = Hotpush.push(device: ["stock", :stock], compile: false)
        say.({outcome.target.name, outcome.status, outcome.loaded})
        {count, []} = Hotpush.push_all_to_device(System.get_env("NODE"))
        say.(count >= 1)
        say.(Hotpush.push_all_to_device(System.get_env("NODE")))
        {:error, error} = Hotpush.push_all_to_device("nobody@127.0.0.1", timeout: 2_000)
        say.(error.stage)
        {:error, error} = Hotpush.push_all_to_device("stok")
        say.(Exception.message(error) =~ "no device matches stok" and Exception.message(error) =~ "Did you mean stock?")
        {:error, error} = Hotpush.push_all_to_device("no-such-host.invalid")
        say.(error.stage)
        say.(Hotpush.connect())
        """,
        env(device, SshDevice.env(stock)),
        [to_string(device.cookie)]
      )

    assert said ==
             ["true", "{0, []}", ~S({"stock", :done, []})] ++
               ["true", "{0, []}", ":connect", "true", ":connect", "[]"]

    assert Device.call(stock.device, New, :v, []) == 1
    assert Device.call(stock.device, :erlang, :node, []) == :nonode@nohost
  end

  test "in a node that is distributed already, which keeps its name and its connections",
       context do
    device = Device.start(release: context.release)
    other = Device.start(erlang_only: true, cookie: device.cookie)

    said =
      script(
        context.project,
        ~S"""
        {:ok, _} = Node.start(:"tool_#{System.pid()}@127.0.0.1")
        Node.set_cookie(String.to_atom(System.get_env("HOTPUSH_COOKIE")))
        me = node()
        true = Node.connect(String.to_atom(System.get_env("OTHER")))
        {:ok, report} = Hotpush.push(node: System.get_env("NODE"), all: true)
        say.(hd(report.outcomes).status)
        say.({node() == me, Node.list() == [String.to_atom(System.get_env("OTHER"))]})
        say.(Hotpush.push_all([String.to_atom(System.get_env("NODE"))]))
        say.(node() == me)
        """,
        env(device, %{"OTHER" => to_string(other.node)}),
        [to_string(device.cookie)]
      )

    assert said == [":done", "{true, true}", "{0, []}", "true"]
  end

  test "an on_load that fails is in the list, with its module and node", context do
    device = Device.start(release: context.release)

    Project.write(context.project, "lib/shy.ex", """
    defmodule Shy do
      @on_load :load
      # Loads where it is compiled, and not on a node by a name of its own.
      def load, do: if(System.get_env("RELEASE_NAME"), do: :no, else: :ok)
    end
    """)

    said =
      script(
        context.project,
        ~S"""
        Mix.Task.run("compile")
        {count, failed} = Hotpush.push_all([String.to_atom(System.get_env("NODE"))])
        say.(count)
        [{module, node, error}] = Enum.filter(failed, &elem(&1, 0) == Shy)
        say.({module, to_string(node) == System.get_env("NODE"), error.reason})
        """,
        env(device),
        [to_string(device.cookie)]
      )

    Project.delete(context.project, "lib/shy.ex")
    assert said == ["0", "{Shy, true, {:not_loaded, :on_load_failure}}"]
    Hotswap.push!(context.project, device)
    Hotswap.again(context.project, device)
  end
end
