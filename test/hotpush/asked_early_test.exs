defmodule Hotpush.AskedEarlyTest do
  @moduledoc """
  A device is asked what it runs while the project is compiled, and may run something else when the code
  is loaded. Without these tests, a push could say that a device runs the code when it does not.
  """
  use ExUnit.Case, async: false

  alias Hotpush.{Error, Project}
  alias Hotpush.Project.App
  alias Hotpush.Test.{Device, Hotswap, Link, Until, Workbench}
  import Hotpush.Test.Project, only: [mix: 3, new: 1, release: 1, write: 3]

  defp source(one, two) do
    """
    defmodule Desk.One do
      def v, do: #{one}
    end
    defmodule Desk.Two do
      def v, do: #{two}
    end
    """
  end

  defp bench, do: Workbench.new(:desk, source(1, 1))

  # Loads a module as somebody else would in IEx on the device.
  defp load(device, version) do
    other = Workbench.new(:desk, source(1, version))
    file = Device.call(device, :code, :which, [Desk.Two])
    beam = File.read!(Workbench.file(other, Desk.Two))
    {:module, Desk.Two} = Device.call(device, :code, :load_binary, [Desk.Two, file, beam])
  end

  defp versions(device), do: for(m <- [Desk.One, Desk.Two], do: Device.call(device, m, :v, []))

  # Called each time a push is about to load.
  defp meddling(device, versions) do
    {:ok, agent} = Agent.start_link(fn -> versions end)

    fn
      {:loading, _name, _count} ->
        case Agent.get_and_update(agent, &{List.first(&1), Enum.drop(&1, 1)}) do
          nil -> :ok
          version -> load(device, version)
        end

      _ ->
        :ok
    end
  end

  test "a device that changes between question and load is asked again, once" do
    bench = bench()
    device = Workbench.device(bench)
    assert versions(device) == [1, 1]
    Workbench.write(bench, source(2, 1))

    # If it changes twice, the push is refused.
    outcome = Workbench.push(bench, device, progress: meddling(device, [8, 9]))
    assert %{status: :refused, round_trips: 4, loaded: []} = outcome
    assert [%Error{stage: :refusal, reason: :changed} = error] = outcome.refusals
    assert Error.message(error) =~ "somebody else changed the code on #{device.node}"
    assert versions(device) == [1, 9]

    outcome = Workbench.push(bench, device, progress: meddling(device, [10]))
    assert %{status: :done, round_trips: 4, failures: []} = outcome
    assert Enum.sort(outcome.loaded) == ["Elixir.Desk.One", "Elixir.Desk.Two"]
    assert versions(device) == [2, 1]
    assert %{status: :done, loaded: [], round_trips: 1} = Workbench.push(bench, device)
  end

  test "the device is asked again only if the last build lacked something" do
    bench = bench()
    device = Workbench.device(bench)
    known = fn apps -> %Project{apps: apps, state_dir: bench.state_dir} end
    same = known.([%App{name: :desk, editable?: true}])

    for {last, more} <- [{same, 0}, {known.([]), 1}, {known.([%App{name: :chair}]), 1}] do
      Workbench.write(bench, source(System.unique_integer([:positive]), 1))
      outcome = Workbench.push(bench, device, last_build: last)
      assert {outcome.round_trips, outcome.loaded} == {2 + more, ["Elixir.Desk.One"]}
      outcome = Workbench.push(bench, device, last_build: last)
      assert {outcome.round_trips, outcome.loaded} == {1 + more, []}
    end
  end

  # A compiler of the project that waits shows what happens at the same time.
  @mix """
  defmodule Mix.Tasks.Compile.Gate do
    use Mix.Task.Compiler

    def run(_) do
      name = node()
      if File.exists?("gate"), do: File.write!("gate.reached", "")
      wait()
      # Meanwhile, this VM must not become a node.
      ^name = node()
      {:ok, []}
    end

    defp wait do
      if File.exists?("gate") do
        Process.sleep(10)
        wait()
      end
    end
  end
  """

  test "a device is asked while Mix compiles; a compile error ends it with the device untouched" do
    project =
      new(
        app: :desk,
        files: %{"lib/desk.ex" => "defmodule Desk do\n  def v, do: 1\nend\n"},
        project: "compilers: [:gate] ++ Mix.compilers()"
      )

    mix = Path.join(project.dir, "mix.exs")
    File.write!(mix, @mix <> File.read!(mix))
    device = Device.start(release: release(project), link: 0)
    Hotswap.again(project, device)
    gate = Path.join(project.dir, "gate")
    node = to_string(device.node)
    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}

    for {source, status, version} <- [{"def v, do: nobody()", 1, 1}, {"def v, do: 22", 0, 22}] do
      Link.reset(device.link)
      File.write!(gate, "")
      edited = "defmodule Desk do\n  #{source}\nend\n"
      write(project, "lib/desk.ex", edited)
      push = Task.async(fn -> mix(project, ["upload.hotswap", "--node", node], env) end)

      # These are more bytes than the handshake has.
      asked? = fn -> device.link |> Link.bytes() |> elem(0) > 2_000 end
      Until.until("the question", asked?, 30_000)
      Until.until("the compiler", fn -> File.exists?(gate <> ".reached") end, 30_000)
      File.rm!(gate)
      {output, came} = Task.await(push, 60_000)
      assert {came, output} == {status, output}
      assert Device.call(device, Desk, :v, []) == version
      if status == 0, do: assert(output =~ "2 round trips")
    end

    Hotswap.again(project, device)
  end
end
