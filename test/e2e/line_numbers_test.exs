defmodule Hotpush.LineNumbersTest do
  @moduledoc """
  The line numbers in a device's stack traces are those of the sources here, also where the code
  stays the same: in what is edited here, and in what was fetched in another version.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project, Run}

  # `oops/0` raises in line 2, as long as nothing stands above it.
  defp source(name) do
    """
    defmodule #{name} do
      def oops, do: :erlang.error(:oops)
      def hi, do: :one
    end
    """
  end

  defp line(device, module) do
    Device.eval(device, """
    try do
      #{module}.oops()
    rescue
      _ -> for {#{module}, :oops, 0, place} <- __STACKTRACE__, do: {place[:file], place[:line]}
    end
    """)
  end

  defp comment(project, path), do: Project.edit(project, path, ~r/\A/, "# A comment.\n")

  test "a comment on top of a dependency by path, and of one of its own" do
    handle = {:handle, [], files: %{"lib/handle.ex" => source("Handle")}}

    project =
      Project.new(
        app: :desk,
        files: %{"lib/desk.ex" => source("Desk")},
        deps: [{:drawer, [], files: %{"lib/drawer.ex" => source("Drawer")}, deps: [handle]}]
      )

    release = Project.release(project)

    devices =
      for mode <- [:embedded, :interactive], do: Device.start(release: release, mode: mode)

    # What was never pushed there before, and what was.
    for line <- [3, 4] do
      for name <- ~w(drawer handle), do: comment(project, "../#{name}/lib/#{name}.ex")

      for device <- devices do
        output = push!(project, device)
        assert deployed(output) == ["Elixir.Drawer", "Elixir.Handle"]
        assert output =~ "2 round trips"
        assert line(device, "Drawer") == [{~c"lib/drawer.ex", line}]
        assert line(device, "Handle") == [{~c"lib/handle.ex", line}]
        again(project, device)
      end
    end
  end

  test "a dependency that was fetched in another version, or at another commit" do
    origin = Run.dir("origin")
    Hotpush.Test.Git.init(origin, package("0.1.0"))

    project =
      Project.new(
        app: :desk,
        files: %{"lib/desk.ex" => source("Desk")},
        deps: [{:drawer, [git: origin]}]
      )

    Project.mix!(project, ["deps.get"])
    device = Device.start(release: Project.release(project))
    again(project, device)

    # One module has other code, another one has a comment: that one only shows when asked for.
    Hotpush.Test.Git.commit(origin, %{
      "lib/one.ex" => String.replace(source("Drawer.One"), ":one", ":two"),
      "lib/two.ex" => "# A comment.\n" <> source("Drawer.Two")
    })

    assert {["Elixir.Drawer.One", "Elixir.Drawer.Two"], 3} = upgrade(project, device)
    assert line(device, "Drawer.Two") == [{~c"lib/two.ex", 3}]
    again(project, device)

    # Nothing but the version, and the line numbers of a module that never was pushed.
    Hotpush.Test.Git.commit(
      origin,
      Map.put(package("0.2.0"), "lib/three.ex", "#\n#\n" <> source("Drawer.Three"))
    )

    assert {["Elixir.Drawer.One", "Elixir.Drawer.Three", "Elixir.Drawer.Two"], 2} =
             upgrade(project, device)

    assert line(device, "Drawer.Three") == [{~c"lib/three.ex", 4}]
    assert line(device, "Drawer.Two") == [{~c"lib/two.ex", 2}]
    again(project, device)

    # After a reboot the version alone tells; and a host without a memory of this device asks
    # twice, once.
    device = Device.restart(device)
    File.rm_rf!(Path.join(project.dir, "_build/dev/.hotpush"))
    output = push!(project, device)
    assert deployed(output) == ["Elixir.Drawer.Three"]
    assert output =~ "3 round trips"
    again(project, device)
  end

  defp package(version) do
    %{
      "mix.exs" => String.replace(Project.Source.app(app: :drawer, deps: []), "0.1.0", version),
      "lib/one.ex" => source("Drawer.One"),
      "lib/two.ex" => source("Drawer.Two"),
      "lib/three.ex" => source("Drawer.Three")
    }
  end

  defp upgrade(project, device) do
    Project.mix!(project, ["deps.update", "drawer"])
    output = push!(project, device)
    [_, trips] = Regex.run(~r/, (\d) round trips\)$/m, output)
    {deployed(output), String.to_integer(trips)}
  end
end
