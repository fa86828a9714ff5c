defmodule Hotpush.ProgressTest do
  @moduledoc "Long work shows what it does on a terminal, and is silent in a pipe."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Project}

  setup_all do
    source = fn answer -> "defmodule Slow do\n  def v, do: #{answer}\nend\n" end
    project = Project.new(app: :slow, files: %{"lib/slow.ex" => source.(1)})
    # Three round trips to connect, one to ask, one to load: well over a second.
    device = Device.start(release: Project.release(project), link: 500)
    %{project: project, device: device}
  end

  defp args(device),
    do: ["upload.hotswap", "--node", "#{device.node}", "--cookie", "#{device.cookie}"]

  test "in a pipe there are plain lines alone", %{project: project, device: device} do
    output = Hotswap.push!(project, device)
    refute output =~ "..."
    refute output =~ ~r/[\r\e]/
  end

  @tag :terminal
  test "on a terminal there is a line that goes away, and what went well is green", context do
    {output, status} = Project.mix_on_terminal(context.project, args(context.device))
    assert {0, output} == {status, output}
    assert output =~ ~r/\rasking #{context.device.node} what it runs \.\.\.\e\[K\r/
    assert output =~ ~r/\r\e\[K\r\e\[32mSuccessfully connected/
    assert output =~ "\e[32mNothing differs"
  end

  @tag :terminal
  test "nothing is green where NO_COLOR is set", context do
    args = args(context.device) ++ ["--node", "nobody@127.0.0.1"]
    {output, 1} = Project.mix_on_terminal(context.project, args, %{"NO_COLOR" => "1"})
    assert output =~ ~r/Nothing differs[^\e]*failed: nobody@127.0.0.1/s
    refute output =~ ~r/\e\[\d*m/
  end

  @tag :terminal
  test "--quiet and --json - show none", %{project: project, device: device} do
    for option <- [["--quiet"], ["--json", "-"]] do
      {output, status} = Project.mix_on_terminal(project, args(device) ++ option)
      assert {0, output} == {status, output}
      refute output =~ "asking"
    end
  end
end
