defmodule Hotpush.ModulesTest do
  @moduledoc """
  Every kind of module that a project may have, changed, added and deleted, and every way in which
  a device and a build may have come apart.

  One device of each mode; each test leaves it as the project is, and the next edits other files.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  @files %{
    "lib/desk.ex" => "defmodule Desk do\n  def hi, do: :one\nend\n",
    "lib/thing.ex" => "defmodule Thing do\n  defstruct name: \"lamp\"\nend\n",
    "lib/old.ex" => "defmodule Old do\n  def here, do: true\nend\n",
    "lib/older.ex" => "defmodule Older do\n  def here, do: true\nend\n",
    "lib/first.ex" => """
    defimpl Shape, for: Atom do
      def corners(_), do: 1
    end
    """,
    "src/desk_erl.erl" => "-module(desk_erl).\n-export([hi/0]).\nhi() -> one.\n",
    "src/desk_odd.erl" => "-module(desk_odd).\n-export([here/0]).\nhere() -> true.\n",
    # A sibling of each, whose name is not ASCII.
    "lib/odd.ex" => """
    defmodule :"Elixir.Desk.日本" do
      def hi, do: :one
    end

    defmodule :"Elixir.Thing.Über" do
      defstruct name: "lamp"
    end

    defimpl Shape, for: :"Elixir.Thing.Über" do
      def corners(_), do: 3
    end
    """,
    "lib/odd_old.ex" => """
    defmodule :"Elixir.Old.Über" do
      def here, do: true
    end

    defmodule :"Elixir.Old.日本" do
      def here, do: true
    end
    """,
    "src/grüße_erl.erl" => "-module('grüße_erl').\n-export([hi/0]).\nhi() -> one.\n"
  }

  @geometry %{
    "lib/shape.ex" => """
    defprotocol Shape do
      @fallback_to_any true
      def corners(shape)
    end

    defimpl Shape, for: Any do
      def corners(_), do: 0
    end
    """
  }

  # The `.app` file that `mix release` writes since 1.18 holds no name beyond Latin-1: such modules
  # come to a device by a push, and are in no firmware.
  @not_in_firmware if Version.match?(System.version(), ">= 1.18.0"),
                     do: ["lib/odd.ex", "lib/odd_old.ex", "src/grüße_erl.erl"],
                     else: []

  setup_all do
    project = desk()
    for path <- @not_in_firmware, do: Project.delete(project, path)
    release = Project.release(project)

    devices =
      for mode <- [:embedded, :interactive], do: Device.start(release: release, mode: mode)

    # Firmware of this very build does not differ, in either mode.
    for device <- devices, do: again(project, device)
    for path <- @not_in_firmware, do: Project.write(project, path, @files[path])
    for device <- devices, do: push!(project, device)
    %{project: project, devices: devices}
  end

  # What other tests edited is none of a test's business.
  setup context do
    [embedded, interactive] = context.devices
    device = if context[:mode] == :interactive, do: interactive, else: embedded
    push!(context.project, device)
    %{device: device}
  end

  defp desk, do: Project.new(app: :desk, files: @files, deps: [{:geometry, [], files: @geometry}])

  test "Erlang modules, changed, added and deleted", %{project: project, device: device} do
    Project.edit(project, "src/desk_erl.erl", "one.", "two.")

    Project.write(
      project,
      "src/desk_new.erl",
      "-module(desk_new).\n-export([hi/0]).\nhi() -> 1.\n"
    )

    Project.delete(project, "src/desk_odd.erl")
    output = push!(project, device)
    assert deployed(output) == ["desk_erl", "desk_new"]
    assert deleted(output) == ["desk_odd"]
    assert Device.eval(device, "{:desk_erl.hi(), :desk_new.hi()}") == {:two, 1}
    assert undefined?(device, :desk_odd)
    again(project, device)
  end

  test "a new implementation of Elixir's own protocols and of a dependency's", context do
    %{project: project, device: device} = context
    assert Device.eval(device, "Shape.corners(struct(Thing))") == 0

    Project.write(project, "lib/impls.ex", """
    defimpl String.Chars, for: Thing do
      def to_string(thing), do: "the " <> thing.name
    end

    defimpl Enumerable, for: Thing do
      def count(_), do: {:ok, 4}
      def member?(_, _), do: {:ok, false}
      def reduce(_, acc, fun), do: Enumerable.List.reduce([1, 2], acc, fun)
      def slice(_), do: {:error, __MODULE__}
    end

    defimpl Inspect, for: Thing do
      def inspect(thing, _opts), do: "#Thing<" <> thing.name <> ">"
    end

    defimpl Shape, for: Thing do
      def corners(_), do: 4
    end
    """)

    output = push!(project, device)

    for protocol <- ~w(String.Chars Enumerable Inspect Shape),
        module <- ["Elixir." <> protocol, "Elixir." <> protocol <> ".Thing"] do
      assert module in deployed(output)
    end

    assert length(deployed(output)) == 8
    assert Device.eval(device, "to_string(struct(Thing))") == "the lamp"
    assert Device.eval(device, "inspect(struct(Thing))") == "#Thing<lamp>"

    assert Device.eval(device, "{Enum.count(struct(Thing)), Enum.to_list(struct(Thing))}") ==
             {4, [1, 2]}

    assert Device.eval(device, "{Shape.corners(struct(Thing)), Shape.corners(:a)}") == {4, 1}
    again(project, device)

    # A changed implementation is a module like any other: the protocol stays.
    Project.edit(project, "lib/impls.ex", "the ", "a ")
    output = push!(project, device)
    assert deployed(output) == ["Elixir.String.Chars.Thing"]
    assert Device.eval(device, "to_string(struct(Thing))") == "a lamp"
    again(project, device)

    # And one that goes takes the dispatch with it: that is no loss to be refused.
    Project.delete(project, "lib/impls.ex")
    output = push!(project, device)
    assert "Elixir.Shape" in deployed(output)
    assert "Elixir.Shape.Thing" in deleted(output)
    assert length(deleted(output)) == 4
    assert Device.eval(device, "Shape.corners(struct(Thing))") == 0
    assert Device.eval(device, "inspect(struct(Thing))") =~ "%Thing{"
    again(project, device)
  end

  for {mode, file, module} <- [{:embedded, "old", Old}, {:interactive, "older", Older}] do
    @tag mode: mode
    test "a deleted module is gone, and stays gone (#{mode})", context do
      %{project: project, device: device} = context
      name = inspect(unquote(module))
      assert Device.eval(device, "#{name}.here()")
      Project.delete(project, "lib/#{unquote(file)}.ex")

      # A narrowed push removes nothing.
      push!(project, device, ["--module", "Desk"])
      assert Device.eval(device, "#{name}.here()")

      output = push!(project, device)
      assert to_string(unquote(module)) in deleted(output)
      assert undefined?(device, unquote(module))
      assert undefined?(device, unquote(module))
      again(project, device)

      source = "defmodule #{name} do\n  def here, do: :again\nend\n"
      Project.write(project, "lib/#{unquote(file)}.ex", source)
      assert to_string(unquote(module)) in deployed(push!(project, device))
      assert Device.eval(device, "#{name}.here()") == :again
      again(project, device)
    end
  end

  for mode <- [:embedded, :interactive] do
    @tag mode: mode
    test "modules whose names are not ASCII, of every kind (#{mode})", context do
      %{project: project, device: device} = context
      Project.edit(project, "lib/odd.ex", ":one", ":two")
      Project.edit(project, "lib/odd.ex", "3", "5")
      Project.edit(project, "src/grüße_erl.erl", "one.", "two.")
      Project.write(project, "lib/odd_new.ex", "defmodule :\"Elixir.Neu.ß日\" do\nend\n")
      Project.edit(project, "lib/odd_old.ex", ~r/defmodule :"Elixir.Old.日本".*/s, "")
      document = Path.join(project.dir, "out.json")

      chosen = ["--module", "Desk.日本"]
      assert deployed(push!(project, device, chosen)) == ["Elixir.Desk.日本"]

      output = push!(project, device, ["--json", document])
      odd = ["Elixir.Neu.ß日", "Elixir.Shape.Thing.Über", "grüße_erl"]
      assert deployed(output) == odd
      assert deleted(output) == ["Elixir.Old.日本"]
      assert %{"ok" => true, "devices" => [node]} = json(document)
      assert Enum.sort(node["loaded"] ++ node["added"]) == odd
      assert node["deleted"] == ["Elixir.Old.日本"]

      values =
        ~s|{:"Elixir.Desk.日本".hi(), :grüße_erl.hi(), | <>
          ~s|Shape.corners(struct(:"Elixir.Thing.Über"))}|

      assert Device.eval(device, values) == {:two, :two, 5}
      assert undefined?(device, :"Elixir.Old.日本")
      again(project, device)

      File.rm!(document)

      for {path, source} <- @files,
          path =~ "lib/odd" or path =~ "grüße",
          do: Project.write(project, path, source)

      Project.delete(project, "lib/odd_new.ex")
      output = push!(project, device)
      assert "Elixir.Old.日本" in deployed(output)
      assert deleted(output) == ["Elixir.Neu.ß日"]
      again(project, device)
    end
  end

  @tag mode: :interactive
  test "an editor compiled first; the device rebooted; a second developer", context do
    %{project: project, device: device} = context
    Project.edit(project, "lib/desk.ex", ":one", ":two")
    Project.mix!(project, ["compile"])
    output = push!(project, device)
    assert "Elixir.Desk" in deployed(output)
    assert Device.eval(device, "Desk.hi()") == :two
    again(project, device)

    device = Device.restart(device)
    assert Device.eval(device, "Desk.hi()") == :one
    assert "Elixir.Desk" in deployed(push!(project, device))
    assert Device.eval(device, "Desk.hi()") == :two
    again(project, device)

    # Not compiled by the push, either.
    Project.edit(project, "lib/desk.ex", ":two", ":six")
    again(project, device, ["--no-compile"])
    assert deployed(push!(project, device)) == ["Elixir.Desk"]
    assert Device.eval(device, "Desk.hi()") == :six

    other = desk()
    for path <- ~w(lib src), do: copy(project, other, path)
    again(other, device)
    again(project, device)
  end

  test "two commands side by side at one device", %{project: project, device: device} do
    Project.write(project, "lib/wide.ex", many(1..40))
    Project.mix!(project, ["compile"])

    results =
      1..2
      |> Enum.map(fn _ -> Task.async(fn -> push(project, device) end) end)
      |> Task.await_many(60_000)

    # The later one may come into the middle of the earlier one, and then says so.
    for {output, status} <- results do
      assert status == 0 or (status == 1 and output =~ "is busy with another push"), output
    end

    assert Enum.any?(results, &match?({_, 0}, &1))
    assert Device.eval(device, "Wide40.hi()") == 40
    again(project, device)
  end

  defp many(range) do
    Enum.map_join(range, "\n", &"defmodule Wide#{&1} do\n  def hi, do: #{&1}\nend\n")
  end

  defp copy(from, to, path) do
    File.rm_rf!(Path.join(to.dir, path))
    File.cp_r!(Path.join(from.dir, path), Path.join(to.dir, path))
  end

  defp undefined?(device, module) do
    Device.call(device, module, :here, [])
    false
  rescue
    UndefinedFunctionError -> true
  end
end
