defmodule Hotpush.Test.SessionTest do
  @moduledoc "A command in a VM that stays does what the same command does in a VM of its own."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Project}

  # Times and sizes differ from run to run. The second time, Elixir 1.20 also names the application in a
  # message of the compiler.
  defp same({output, status}) do
    output = String.replace(output, "(desk 0.1.0) ", "")
    {Regex.replace(~r/\d+(\.\d+)? (ms|kB)/, output, "N"), status}
  end

  test "edits, a mistake and its correction, a new mix.exs" do
    project = Project.new(app: :desk, files: %{"lib/desk.ex" => "defmodule Desk do\nend\n"})
    device = Device.start(release: Project.release(project))
    command = ["upload.hotswap", "--node", to_string(device.node)]
    env = %{"HOTPUSH_COOKIE" => to_string(device.cookie)}

    push = fn body, mix ->
      source = "defmodule Desk do\n  def hi, do: #{body}\nend\n"
      Project.write(project, "lib/desk.ex", source)
      mix.(project, command, env)
    end

    # The first command of a project has a VM of its own.
    assert push.("1", &Project.mix_in_session/3) == :none

    for {bodies, status} <- [{["1", "2"], 0}, {["nobody()", "nobody()"], 1}, {["3", "4"], 0}] do
      [one, two] =
        Enum.zip_with([bodies, [&Project.mix/3, &Project.mix_in_session/3]], &apply(push, &1))

      assert {same(one), status} == {same(two), elem(one, 1)}
    end

    assert Device.eval(device, "Desk.hi()") == 4
    assert {nothing, 0} = Project.mix_in_session(project, command, env)
    assert nothing =~ "Nothing differs"

    # A session reads mix.exs once.
    Project.edit(project, "mix.exs", ~s(version: "0.1.0"), ~s(version: "0.2.0"))
    assert Project.mix_in_session(project, command, env) == :none
    assert {_, 0} = Project.mix_in_session(project, command, env)
  end
end
