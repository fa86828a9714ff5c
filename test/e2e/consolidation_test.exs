defmodule Hotpush.ConsolidationTest do
  @moduledoc """
  A protocol that is consolidated on a device stays so.

  Elixir 1.19 and 1.20 delete the consolidated protocols of a project with a path dependency
  whenever a task of a dependency runs; where they are deleted by hand, every Elixir has this test.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  @files %{
    "lib/shape.ex" => """
    defprotocol Shape do
      def corners(shape)
    end

    defimpl Shape, for: Atom do
      def corners(_), do: 1
    end
    """
  }

  setup_all do
    project = Project.new(app: :desk, files: %{}, deps: [{:geometry, [], files: @files}])
    device = Device.start(release: Project.release(project))
    again(project, device)
    %{project: project, device: device}
  end

  defp folder(project), do: Path.join(project.dir, "_build/dev/lib/desk/consolidated")

  defp identities(project) do
    for path <- Path.wildcard(Path.join(folder(project), "*.beam")) do
      {:ok, {module, md5}} = path |> to_charlist() |> :beam_lib.md5()
      {module, md5}
    end
  end

  defp consolidated?(device), do: Device.eval(device, "Protocol.consolidated?(Shape)")

  test "no task of ours leaves the build without its consolidated protocols", context do
    %{project: project, device: device} = context
    before = identities(project)
    assert length(before) > 3

    tasks = [
      fn -> again(project, device, ["--no-compile"]) end,
      fn -> {_, 2} = run(project, ["--no-compile", "--bogus"]) end,
      fn -> Project.mix!(project, ["hotpush.devices", "--timeout", "1"]) end,
      fn -> Project.mix!(project, ["hotpush.disconnect", "nobody@127.0.0.1"]) end,
      fn -> Project.mix!(project, ["hotpush.init", "--no-discover"]) end
    ]

    for task <- tasks do
      File.rm_rf!(folder(project))
      task.()
      assert identities(project) == before
    end

    File.rm!(Path.join(project.dir, "hotpush.toml"))
    again(project, device, ["--no-compile"])
    again(project, device)
    assert consolidated?(device)
  end

  test "a plain protocol does not replace a consolidated one, unless the project wants it so",
       context do
    %{project: project, device: device} = context

    for options <- [[], ["--force"]] do
      {output, 1} = push_without(project, device, "Elixir.Shape.beam", options)
      assert output =~ "refused: #{device.node} runs Elixir.Shape consolidated"
      assert output =~ "mix compile --force"
      assert output =~ "consolidate_protocols: false"
      assert consolidated?(device)
    end

    Project.mix!(project, ["compile", "--force"])
    again(project, device)

    unwanted = "consolidate_protocols: false, start_permanent"
    Project.edit(project, "mix.exs", "start_permanent", unwanted)
    output = push!(project, device)
    assert deployed(output) == ["Elixir.Shape"]
    refute consolidated?(device)
    again(project, device)

    Project.edit(project, "mix.exs", unwanted, "start_permanent")
    assert deployed(push!(project, device)) == ["Elixir.Shape"]
    assert consolidated?(device)
    again(project, device)
  end

  # Mix would see to it that the whole folder is there, before the task's first line.
  defp push_without(project, device, file, options) do
    args = ["--no-compile", "--node", to_string(device.node) | options]

    code = """
    File.rm(#{inspect(Path.join(folder(project), file))})
    Mix.Task.run("upload.hotswap", #{inspect(args)})
    """

    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}
    Project.mix(project, ["run", "--no-start", "-e", code], env)
  end
end
