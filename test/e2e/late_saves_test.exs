defmodule Hotpush.LateSavesTest do
  @moduledoc """
  What was saved in the second of the last compilation, after it and in the same size, is compiled
  and pushed: Mix alone sees no difference.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  @files %{
    "lib/desk.ex" => "defmodule Desk do\n  def hi, do: :one\nend\n",
    "lib/lamp.ex" => "defmodule Lamp do\n  def hi, do: :one\nend\n",
    "lib/sign.ex" => """
    defmodule Sign do
      @external_resource "lib/sign.txt"
      @text File.read!("lib/sign.txt")
      def hi, do: @text
    end
    """,
    "lib/sign.txt" => "one",
    "src/desk_erl.erl" => "-module(desk_erl).\n-export([hi/0]).\nhi() -> one.\n"
  }

  @drawer %{"lib/drawer.ex" => "defmodule Drawer do\n  def hi, do: :one\nend\n"}

  setup_all do
    project = Project.new(app: :desk, files: @files, deps: [{:drawer, [], files: @drawer}])
    device = Device.start(release: Project.release(project))
    again(project, device)
    %{project: project, device: device}
  end

  # As if it had been quicker than the second. Nothing else changes the file.
  defp save(project, path, module, from, to) do
    file = Path.join(project.dir, path)
    [beam] = Path.wildcard(Path.join(project.dir, "_build/dev/lib/*/ebin/#{module}.beam"))
    File.write!(file, String.replace(File.read!(file), from, to))
    File.touch!(file, File.stat!(beam, time: :posix).mtime)
    file
  end

  test "of the project, and of a path dependency; Elixir, Erlang and a template", context do
    %{project: project, device: device} = context
    save(project, "lib/desk.ex", Desk, ~r/:one|:six/, ":two")
    save(project, "../drawer/lib/drawer.ex", Drawer, ":one", ":two")
    save(project, "lib/sign.txt", Sign, ~r/one|six/, "two")
    save(project, "src/desk_erl.erl", :desk_erl, "one", "two")

    output = push!(project, device)
    assert deployed(output) == ~w(Elixir.Desk Elixir.Drawer Elixir.Sign desk_erl)

    assert Device.eval(device, "{Desk.hi(), Drawer.hi(), Sign.hi(), :desk_erl.hi()}") ==
             {:two, :two, "two", :two}

    # Compiled in the second of its new time, and known to be so.
    refute again(project, device) =~ "Compiling"
  end

  test "also where something else was compiled since", %{project: project, device: device} do
    push!(project, device)
    save(project, "lib/desk.ex", Desk, ~r/:one|:two/, ":six")
    Project.edit(project, "lib/lamp.ex", ":one", ":two")
    Project.mix!(project, ["compile"])

    assert "Elixir.Desk" in deployed(push!(project, device))
    assert Device.eval(device, "{Desk.hi(), Lamp.hi()}") == {:six, :two}
    again(project, device)
  end

  test "what was saved with the same content is not compiled, and its time is left alone then",
       %{project: project, device: device} do
    push!(project, device)
    file = save(project, "lib/desk.ex", Desk, "x", "x")
    refute again(project, device) =~ "Compiling"
    %{mtime: once} = File.stat!(file, time: :posix)
    refute again(project, device) =~ "Compiling"
    assert File.stat!(file, time: :posix).mtime == once
  end

  test "also where the record of earlier compilations is damaged", context do
    %{project: project, device: device} = context
    push!(project, device)
    File.write!(Path.join(project.dir, "_build/dev/.hotpush/saves"), "no record")
    save(project, "lib/sign.txt", Sign, ~r/one|two/, "six")
    assert deployed(push!(project, device)) == ["Elixir.Sign"]
    again(project, device)
  end
end
