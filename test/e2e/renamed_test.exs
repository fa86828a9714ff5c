defmodule Hotpush.RenamedTest do
  @moduledoc "A supervised GenServer is renamed: the device stays up, and says who needs the module."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Until}

  @application """
  defmodule Garden.Application do
    use Application

    def start(_type, _args) do
      Supervisor.start_link([Garden.Counter], strategy: :one_for_one, name: Garden.Supervisor)
    end
  end
  """

  @counter """
  defmodule Garden.Counter do
    use GenServer
    def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
    def next, do: GenServer.call(__MODULE__, :next)
    def init(count), do: {:ok, count}
    def handle_call(:next, _from, count), do: {:reply, count + 1, count + 1}
  end
  """

  @plain "defmodule Garden.Plain do\n  def here, do: true\nend\n"

  test "refused by name, forced when told to; nobody's module goes silently" do
    project =
      Project.new(
        app: :garden,
        mod: {Garden.Application, []},
        files: %{
          "lib/application.ex" => @application,
          "lib/counter.ex" => @counter,
          "lib/plain.ex" => @plain
        }
      )

    device = Device.start(release: Project.release(project), mode: :interactive)
    assert Device.eval(device, "Garden.Counter.next()") == 1

    # Nobody lives by this one; where something is removed, nobody is asked in a trip of its own.
    Project.delete(project, "lib/plain.ex")
    output = push!(project, device)
    assert deleted(output) == ["Elixir.Garden.Plain"]
    assert output =~ "2 round trips"
    refute output =~ "note:"
    again(project, device)

    rename(project, "Counter", "Tally")
    pid = device |> Device.eval("inspect(Process.whereis(Garden.Counter))")
    [pid] = Regex.run(~r/<[\d.]+>/, pid)

    for args <- [["--dry-run"], []] do
      {output, status} = push(project, device, args)
      assert status == 1, output

      assert output =~
               "refused: modules that this project no longer has are still needed on #{device.node}: " <>
                 "#{pid} 'Elixir.Garden.Counter' under 'Elixir.Garden.Supervisor' (Elixir.Garden.Counter)"

      assert output =~ "or pass --force"
      assert output =~ "Nothing was changed on #{device.node}"
      assert deployed(output) == []
    end

    assert Device.eval(device, "Garden.Counter.next()") == 2

    # Stopped there as the refusal says, nobody is in the way.
    Device.eval(device, """
    :ok = Supervisor.terminate_child(Garden.Supervisor, Garden.Counter)
    :ok = Supervisor.delete_child(Garden.Supervisor, Garden.Counter)
    """)

    output = push!(project, device)
    assert deleted(output) == ["Elixir.Garden.Counter"]
    assert "Elixir.Garden.Tally" in deployed(output)
    Device.eval(device, "{:ok, _} = Supervisor.start_child(Garden.Supervisor, Garden.Tally)")
    assert Device.eval(device, "Garden.Tally.next()") == 1
    again(project, device)

    rename(project, "Tally", "Score")
    output = push!(project, device, ["--force"])
    assert deleted(output) == ["Elixir.Garden.Tally"]

    assert output =~
             ~r/note: on #{device.node}, functions that no longer exist will be called: .*handle_call\/3.* by <\S+> 'Elixir.Garden.Tally'/

    again(project, device)

    # And that is what the refusal is for.
    Device.spawn(device, "Garden.Tally |> GenServer.call(:next)")

    Until.until("the supervisor to give up", fn ->
      Device.eval(device, "Process.whereis(Garden.Supervisor)") == nil
    end)
  end

  defp rename(project, from, to) do
    file = "lib/#{String.downcase(from)}.ex"
    source = File.read!(Path.join(project.dir, file))
    Project.delete(project, file)
    Project.write(project, "lib/#{String.downcase(to)}.ex", String.replace(source, from, to))
    Project.edit(project, "lib/application.ex", "Garden.#{from}", "Garden.#{to}")
  end
end
