defmodule Hotpush.SshTest do
  @moduledoc """
  The real command, the system's ssh, and a stock device from a real release: it runs OTP's ssh
  daemon as Nerves does, and distribution is off before, during and after.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Epmd, Link, Project, SshDevice, Until}
  alias Hotpush.Test.Project.Command

  @files %{
    "lib/lamp.ex" => """
    defmodule Lamp do
      use GenServer

      def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
      def press, do: GenServer.call(__MODULE__, :press)

      @impl true
      def init(count), do: {:ok, count}

      @impl true
      def handle_call(:press, _from, count), do: {:reply, {:dim, count + 1}, count + 1}
    end
    """,
    "lib/lamp/application.ex" => """
    defmodule Lamp.Application do
      use Application

      @impl true
      def start(_type, _args), do: Supervisor.start_link([Lamp], strategy: :one_for_one)
    end
    """,
    "lib/old.ex" => "defmodule Old do\n  def here, do: true\nend\n",
    "lib/loop.ex" => """
    defmodule Loop do
      def run, do: (receive do: (:stop -> :ok))
      def v, do: 1
    end
    """
  }

  setup_all do
    project =
      Project.new(
        app: :lamp,
        mod: {Lamp.Application, []},
        extra_applications: [:logger, :iex, :ssh, :public_key],
        files: @files
      )

    %{project: project, release: Project.release(project)}
  end

  defp call(device, module, function, args \\ []),
    do: Device.call(device.device, module, function, args)

  defp eval(device, code), do: Device.eval(device.device, code)

  # Answers what a device runs besides its own after a visit by a plain ssh.
  defp start(context, options \\ []) do
    device = SshDevice.start([release: context.release] ++ options)
    {output, 0} = SshDevice.ssh(device, ["1 + 1"])
    assert String.ends_with?(output, "2")
    bare(device, nil)
    {device, eval(device, "length(Process.list())")}
  end

  # What a visit must not leave behind: a node, a process, a name, a module of ours.
  defp bare(device, processes) do
    assert call(device, :erlang, :node) == :nonode@nohost
    assert call(device, :erlang, :whereis, [:net_kernel]) == :undefined

    Until.until(
      "the visit to be over",
      fn ->
        {count, ours} =
          eval(device, ~S"""
          names = Enum.map(Process.registered(), &to_string/1)
          modules = for {m, _} <- :code.all_loaded(), do: to_string(m)
          ours = Enum.filter(names ++ modules, &(&1 =~ "hotpush" and not (&1 =~ "Test")))
          {length(Process.list()), ours}
          """)

        ours == [] and (processes == nil or count <= processes)
      end,
      30_000
    )
  end

  for mode <- [:embedded, :interactive] do
    test "a saved change runs on a stock device, #{mode}, which keeps its state", context do
      project = context.project
      {device, processes} = start(context, mode: unquote(mode))
      address = SshDevice.address(device)
      assert {:dim, 1} = eval(device, "Lamp.press()")
      server = eval(device, "Process.whereis(Lamp)")
      push!(project, device)

      light = "light_#{unquote(mode)}"
      Project.edit(project, "lib/lamp.ex", ~r/:\w+, count/, ":#{light}, count")
      Project.write(project, "lib/new_#{unquote(mode)}.ex", new(unquote(mode)))
      output = push!(project, device, ["--verbose"])

      assert output =~ ~r/^Successfully connected to #{address}$/m
      assert "Elixir.Lamp" in deployed(output)
      assert output =~ ~r/, 2 round trips\)$/m
      assert eval(device, "Lamp.press()") == {String.to_atom(light), 2}
      assert eval(device, "Process.whereis(Lamp)") == server
      assert eval(device, "New.#{Macro.camelize(to_string(unquote(mode)))}.here()")
      bare(device, processes)
      assert Epmd.names(device.device.node) == []
      again(project, device)

      Project.delete(project, "lib/new_#{unquote(mode)}.ex")
      output = push!(project, device)
      assert [_] = deleted(output)
      bare(device, processes)
      again(project, device)
    end
  end

  defp new(mode),
    do: "defmodule New.#{Macro.camelize(to_string(mode))} do\n  def here, do: true\nend\n"

  test "a large push goes in chunks, and a dry run and a refusal change nothing", context do
    project = context.project
    {device, processes} = start(context)
    push!(project, device)
    spawn_loop = "spawn(fn -> Process.register(self(), :looper); Loop.run() end)"
    old = call(device, Loop, :v)

    blob = Base.encode64(:rand.bytes(400_000))
    Project.write(project, "lib/blob.ex", "defmodule Blob do\n  def v, do: \"#{blob}\"\nend\n")
    Project.edit(project, "lib/loop.ex", "def v, do: #{old}\n", "def v, do: #{old + 1}\n")
    dry = push!(project, device, ["--dry-run"])
    assert Enum.sort(planned(dry)) == ["Elixir.Blob", "Elixir.Loop"]
    assert call(device, Loop, :v) == old
    bare(device, processes)

    eval(device, spawn_loop)
    output = push!(project, device)
    assert Enum.sort(deployed(output)) == ["Elixir.Blob", "Elixir.Loop"]
    assert output =~ "3 round trips"
    assert call(device, Blob, :v) == blob

    # The process runs what is old now: the next push of its module would kill it.
    Project.edit(project, "lib/loop.ex", "def v, do: #{old + 1}\n", "def v, do: #{old + 2}\n")
    assert {refused, 1} = push(project, device)
    assert refused =~ ~r/still run code that .* looper \(Elixir.Loop\)/
    assert call(device, Loop, :v) == old + 1
    eval(device, "send(:looper, :stop)")
    Until.until("the loop to end", fn -> eval(device, "Process.whereis(:looper)") == nil end)
    assert deployed(push!(project, device)) == ["Elixir.Loop"]
    bare(device, processes)
    again(project, device)
  end

  test "another project's device is refused, and the document says the same over ssh", context do
    other = Project.new(app: :shelf, files: %{"lib/shelf.ex" => "defmodule Shelf do\nend\n"})
    {device, processes} = start(context)
    path = Path.join(other.dir, "report.json")
    assert {output, 1} = push(other, device, ["--json", path])
    assert output =~ "runs none of this project's applications (shelf)"
    assert %{"devices" => [%{"status" => "refused", "refused" => [refused]} = node]} = json(path)
    assert refused["kind"] == "other_project"
    assert node["round_trips"] == 1 and node["bytes"]["sent"] > 0
    address = SshDevice.address(device)
    assert %{"name" => ^address, "transport" => "ssh", "node" => nil} = node
    bare(device, processes)
  end

  test "hosts and nodes are visited in one run, each by its own way", context do
    project = context.project
    {stock, processes} = start(context)
    node = Device.start(release: context.release)
    Project.write(project, "lib/both.ex", "defmodule Both do\n  def v, do: 1\nend\n")
    address = SshDevice.address(stock)
    args = ["--ssh", address, "--node", to_string(node.node)]
    env = Map.put(SshDevice.env(stock), "HOTPUSH_COOKIE", to_string(node.cookie))
    assert {output, 0} = run(project, args, env, [to_string(node.cookie)])
    assert output =~ "Successfully deployed Elixir.Both to #{address}"
    assert output =~ "Successfully deployed Elixir.Both to #{node.node}"
    assert call(stock, Both, :v) == 1 and Device.call(node, Both, :v, []) == 1
    bare(stock, processes)
    again(project, stock)
    again(project, node)
  end

  test "a build for a target, with no device named, means nerves.local", context do
    {device, _} = start(context, names: ["nerves.local"])
    project = context.project
    env = Map.put(SshDevice.env(device), "MIX_TARGET", "rpi3")
    Project.prebuild(project, "_build/rpi3_dev")
    Project.write(project, "lib/late.ex", "defmodule Late do\n  def v, do: 1\nend\n")
    # The firmware was built for no target that it would tell.
    assert {output, 0} = run(project, [], env)
    assert output =~ "Successfully deployed Elixir.Late to nerves.local"
    assert {output, 0} = run(project, [], env)
    assert output =~ "Nothing differs on nerves.local"
  end

  test "a device that says something first is understood", context do
    {device, processes} = start(context, banner: "Welcome. A line of hotpush is not a frame")
    push!(context.project, device)
    again(context.project, device)
    bare(device, processes)
  end

  test "a line that is cut in the middle leaves nothing behind", context do
    {device, processes} = start(context, link: 200)
    project = context.project
    push!(project, device)
    blob = Base.encode64(:rand.bytes(900_000))
    Project.write(project, "lib/half.ex", "defmodule Half do\n  def v, do: \"#{blob}\"\nend\n")
    Project.mix!(project, ["compile"])
    Link.reset(device.link)
    # The line is cut in the middle of the code.
    Link.cut_after(device.link, :to_device, 300_000)
    assert {output, 1} = push(project, device)
    assert output =~ ~r/the connection to \S+ was lost while it was loading the code/
    bare(device, processes)
    refute eval(device, "Code.ensure_loaded?(Half)")
    Link.resume(device.link)
    assert deployed(push!(project, device)) == ["Elixir.Half"]
    again(project, device)
  end

  describe "--wait" do
    test "for a device that boots, and for somebody else's push", context do
      {device, _} = start(context, link: 0)
      project = context.project
      push!(project, device)
      address = SshDevice.address(device)

      Device.kill(device.device)
      Link.reset(device.link)
      task = Task.async(fn -> push(project, device, ["--no-compile", "--wait"]) end)
      Until.until("the command to try", fn -> Link.connections(device.link) > 0 end, 60_000)
      device = SshDevice.restart(device)
      assert {output, 0} = Task.await(task, 120_000)
      assert [_, said] = Regex.run(~r/^Waiting up to 60 s for #{address}: (.+)$/m, output)
      assert said =~ ~r/hangs up|closed|complete/
      assert length(String.split(output, "Waiting")) == 2

      # Whoever holds the name is at work.
      holder =
        Device.spawn(device.device, ~S"""
        Process.put(:hotpush_who, {"ada@desk", System.monotonic_time(:second) - 5})
        Process.register(self(), :hotpush_transaction)
        Process.sleep(:infinity)
        """)

      # It has to be compiled there first.
      held_by = fn -> Device.call(device.device, Process, :whereis, [:hotpush_transaction]) end
      Until.until("the name to be held", fn -> held_by.() == holder end)
      Project.edit(project, "lib/loop.ex", ~r/def v, do: (\d)/, "def v, do: 1\\1")
      Link.reset(device.link)
      args = ["--wait", "100", "--json", "-", "--quiet"]
      assert {refused, 1} = push(project, device)
      assert refused =~ ~r/is busy with another push, which "ada@desk" started \d+ s ago/
      Link.reset(device.link)
      task = Task.async(fn -> push(project, device, ["--wait", "100"]) end)
      Until.until("it to try again", fn -> Link.connections(device.link) > 1 end, 60_000)
      Device.call(device.device, Process, :exit, [holder, :kill])
      assert {output, 0} = Task.await(task, 120_000)

      assert output =~
               ~r/^Waiting up to 100 s for #{address}: it is busy with another push, which "ada@desk"/m

      assert length(String.split(output, "Waiting")) == 2
      assert deployed(output) == ["Elixir.Loop"]
      assert {_, 0} = push(project, device, args)
      again(project, device)
    end

    test "not for what does not pass by itself", context do
      {device, _} = start(context)
      SshDevice.forget_host_key(device)
      assert {output, 1} = push(context.project, device, ["--no-compile", "--wait=1000"])
      assert output =~ "has a host key that this computer does not know yet"
      refute output =~ "Waiting"
    end
  end

  describe "a signal" do
    # A module whose loading lasts a while on the device.
    defp hold(context, name) do
      {device, processes} = start(context)
      push!(context.project, device)

      Project.write(context.project, "lib/#{name}.ex", """
      defmodule #{Macro.camelize(name)} do
        @on_load :load
        def load, do: if(System.get_env("RELEASE_NAME"), do: held(), else: :ok)

        defp held do
          Process.register(self(), :held)
          Process.sleep(1_500)
        end
      end
      """)

      Project.mix!(context.project, ["compile"])
      {device, processes}
    end

    defp held(device) do
      Until.until("the load", fn -> eval(device, "Process.whereis(:held)") end, 60_000)
    end

    defp left(context, device, processes, name) do
      Until.until("the load to end", fn -> eval(device, "Process.whereis(:held)") == nil end)
      bare(device, processes)
      again(context.project, device, ["--no-compile"])
      Project.delete(context.project, "lib/#{name}.ex")
      push!(context.project, device)
    end

    test "SIGTERM ends the command with 143, and the device is left clean", context do
      {device, processes} = hold(context, "terminated")
      {mark, env} = Command.mark()
      task = Task.async(fn -> push(context.project, device, ["--no-compile"], env) end)
      held(device)
      {_, 0} = System.cmd("kill", ["-TERM", Command.vm(mark)])
      assert {output, 143} = Task.await(task, 60_000)
      refute output =~ "SIGTERM"
      left(context, device, processes, "terminated")
    end

    # What has begun on the device is finished there: nothing differs then.
    test "kill -9 leaves nothing behind, and the transaction that has begun is finished",
         context do
      {device, processes} = hold(context, "killed")
      {mark, env} = Command.mark()
      task = Task.async(fn -> push(context.project, device, ["--no-compile"], env) end)
      held(device)
      {_, 0} = System.cmd("kill", ["-KILL", Command.vm(mark)])
      assert {_output, 137} = Task.await(task, 60_000)
      left(context, device, processes, "killed")
    end

    # The VM's own menu, which no program can do without, is left out by +Bd.
    @tag :terminal
    test "one Ctrl-C ends the command where the VM was told so, and the device is left clean",
         context do
      {device, processes} = hold(context, "interrupted")
      env = Map.put(SshDevice.env(device), "ELIXIR_ERL_OPTIONS", "+Bd")
      typed = {Path.join(device.dir, "go"), <<3>>}
      args = ["upload.hotswap", SshDevice.address(device), "--no-compile"]
      task = Task.async(fn -> Project.mix_on_terminal(context.project, args, env, typed) end)
      held(device)
      File.touch!(elem(typed, 0))
      assert {output, 130} = Task.await(task, 60_000)
      refute output =~ "BREAK"
      left(context, device, processes, "interrupted")
    end
  end
end
