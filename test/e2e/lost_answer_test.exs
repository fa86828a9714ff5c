defmodule Hotpush.LostAnswerE2ETest do
  @moduledoc "The real command, whose answer is lost on the way."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Link, Project, Run}

  test "the command says so, and exits with 0" do
    source = fn version ->
      for n <- 1..33, into: "", do: "defmodule Many.M#{n} do\n  def v, do: #{version}\nend\n"
    end

    project = Project.new(app: :many, files: %{"lib/many.ex" => source.(1)})
    device = Device.start(release: Project.release(project), link: 0)
    v = fn -> Device.call(device, Many.M33, :v, []) end
    Project.write(project, "lib/many.ex", source.(2))
    Hotswap.push!(project, device)
    assert v.() == 2

    # As much as before, but for the end of the answer.
    Project.write(project, "lib/many.ex", source.(3))
    Link.reset(device.link)
    Hotswap.push!(project, device)
    {_, received} = Link.bytes(device.link)
    Project.write(project, "lib/many.ex", source.(4))
    Link.cut_next_after(device.link, :to_host, received - 1_000)
    json = Path.join(Run.dir("json"), "report.json")
    output = Hotswap.push!(project, device, ["--json", json])
    assert v.() == 4

    assert output =~
             "note: the answer from #{device.node} was lost. " <>
               "Asked again, it says that it runs all 33 modules"

    assert output =~ ~r/^33 of \d+ modules differed on #{device.node}: loaded \(/m

    assert %{"ok" => true, "devices" => [%{"status" => "done", "loaded" => loaded}]} =
             Hotswap.json(json)

    assert length(loaded) == 33
    Hotswap.again(project, device)
  end
end
