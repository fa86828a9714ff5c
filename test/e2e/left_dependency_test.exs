defmodule Hotpush.LeftDependencyTest do
  @moduledoc "A dependency that left mix.exs: what a push brought goes, what the firmware has is told."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  defp files(name),
    do: %{"lib/#{String.downcase(name)}.ex" => "defmodule #{name} do\n  def hi, do: :one\nend\n"}

  defp without(mix, dep), do: String.replace(mix, ~r/, #{dep}: \[path: "[^"]*"\]/, "")

  test "modules that were pushed are removed, the firmware's stay and are told of" do
    project =
      Project.new(
        app: :desk,
        files: files("Desk"),
        deps: [{:drawer, [], files: files("Drawer")}, {:handle, [], files: files("Handle")}]
      )

    both = File.read!(Path.join(project.dir, "mix.exs"))
    Project.write(project, "mix.exs", without(both, "handle"))
    release = Project.release(project)

    devices =
      for mode <- [:embedded, :interactive], do: Device.start(release: release, mode: mode)

    Project.write(project, "mix.exs", both)

    # What is not chosen is not gone.
    Project.write(project, "hotpush.toml", "app = \"drawer\"\n")
    refute push!(project, hd(devices), ["--dry-run"]) =~ "no longer has"
    Project.delete(project, "hotpush.toml")

    for device <- devices do
      assert deployed(push!(project, device)) == ["Elixir.Handle"]
      assert Device.eval(device, "Handle.hi()") == :one
    end

    Project.write(project, "mix.exs", without(both, "handle"))
    # A narrowed push removes nothing.
    assert deleted(push!(project, hd(devices), ["--module", "Desk"])) == []

    for device <- devices do
      output = push!(project, device)
      assert deleted(output) == ["Elixir.Handle"]
      refute output =~ "note:"
      refute Device.eval(device, "function_exported?(Handle, :hi, 0)")
      again(project, device)
    end

    Project.write(project, "mix.exs", both |> without("handle") |> without("drawer"))
    device = hd(devices)

    # The last build had other applications, so the question that goes out beside the compiler is one
    # about those, too.
    output = push!(project, device)
    assert output =~ ~r/^Nothing differs on .* 2 round trips\)$/m

    assert output =~
             "note: #{device.node} still has drawer, which this project no longer has"

    assert Device.eval(device, "Drawer.hi()") == :one
    again(project, device)
  end
end
