defmodule Hotpush.ThePointTest do
  @moduledoc """
  The one test that proves the point: the real command, a real device node from a real release, a
  real edit. If only one test could be kept, it would be this one.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Project, Run}

  @source """
  defmodule Example do
    use GenServer

    def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
    def press, do: GenServer.call(__MODULE__, :press)

    @impl true
    def init(count), do: {:ok, count}

    @impl true
    def handle_call(:press, _from, count), do: {:reply, {:dim, count + 1}, count + 1}
  end
  """

  @application """
  defmodule Example.Application do
    use Application

    @impl true
    def start(_type, _args), do: Supervisor.start_link([Example], strategy: :one_for_one)
  end
  """

  @cookie "secret token shared between nodes"

  test "a saved change runs on a device that is up, which keeps its state" do
    name = Run.name("example")
    node = "#{name}@127.0.0.1"

    project =
      Project.new(
        app: :example,
        mod: {Example.Application, []},
        files: %{"lib/example.ex" => @source, "lib/example/application.ex" => @application},
        config: """
        import Config
        config :hotpush, app_name: :example, nodes: [:"#{node}"], cookie: :"#{@cookie}"
        """
      )

    device = Device.start(release: Project.release(project), name: name, cookie: @cookie)
    assert to_string(device.node) == node
    assert Device.call(device, :code, :get_mode, []) == :embedded
    assert Device.eval(device, "Example.press()") == {:dim, 1}
    server = Device.eval(device, "Process.whereis(Example)")

    Project.edit(project, "lib/example.ex", ":dim", ":bright")
    {output, status} = Hotswap.run(project, [], %{}, [@cookie])

    assert {status, output} == {0, output}

    lines =
      output
      |> String.split("\n", trim: true)
      |> Enum.drop_while(&(&1 =~ ~r"^(Compil|Generated )"))

    assert ["Successfully connected to " <> ^node, "Successfully deployed " <> rest, last] = lines
    assert rest == "Elixir.Example to #{node}"

    assert last =~
             ~r/^1 of \d+ modules differed on #{node}: loaded in [\d.]+ ms \([\d.]+ kB sent, 2 round trips\)$/

    # The new answer from the old process with its old state, in the same OS process.
    assert Device.eval(device, "Example.press()") == {:bright, 2}
    assert Device.eval(device, "Process.whereis(Example)") == server
    assert Device.eval(device, "System.pid()") == to_string(device.os_pid)

    {output, status} = Hotswap.run(project, [], %{}, [@cookie])
    assert {status, output} == {0, output}

    assert ["Successfully connected to " <> ^node, "Nothing differs on " <> rest] =
             String.split(output, "\n", trim: true)

    assert rest =~ ~r/^#{node}: \d+ modules checked \([\d.]+ kB sent, 1 round trip\)$/
    assert Device.eval(device, "Example.press()") == {:bright, 3}
  end
end
