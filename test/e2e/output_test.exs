defmodule Hotpush.OutputTest do
  @moduledoc "What a person reads: no more than is of use, and in order."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Hotswap, Project}

  setup_all do
    project = Project.new(app: :desk, files: %{"lib/desk.ex" => source(1)})
    %{project: project, device: Device.start(release: Project.release(project))}
  end

  # Sixty modules and one more.
  defp source(answer) do
    """
    defmodule Desk do
      for n <- 100..159 do
        defmodule Module.concat(Desk, "M\#{n}") do
          def hi, do: #{answer}
        end
      end
    end
    """
  end

  # With --verbose and --dry-run: test/hotpush/report_test.exs.
  test "of many modules the first ten, and how many more", context do
    %{project: project, device: device} = context
    Project.write(project, "lib/desk.ex", source(2))
    output = push!(project, device)
    assert deployed(output) == for(n <- 100..109, do: "Elixir.Desk.M#{n}")
    assert output =~ ~r/^and 50 more \(--verbose lists them\)$/m
    assert output =~ ~r/^60 of \d+ modules differed/m
    assert Device.call(device, Desk.M159, :hi, []) == 2
    again(project, device)
  end

  test "both outputs in one pipe keep their order", %{project: project} do
    code = ~S"""
    Hotpush.CLI.say(for n <- 1..300, level <- [:good, :error], do: {level, "#{level} #{n}"})
    """

    {output, 0} = Project.mix(project, ["run", "--no-start", "--no-compile", "-e", code])
    lines = for line <- String.split(output, "\n"), line =~ ~r/^(good|error) \d+$/, do: line
    assert lines == for(n <- 1..300, level <- ["good", "error"], do: "#{level} #{n}")
  end

  test "a refusal stands after its device's first line, and is the only one of a wrong project",
       %{device: device} do
    other = Project.new(app: :other, files: %{"lib/other.ex" => "defmodule Other do\nend\n"})

    {output, 1} = Hotswap.push(other, device, ["--verbose", "--dry-run"])
    [_, after_connecting] = String.split(output, "Successfully connected to #{device.node}\n")
    assert String.starts_with?(after_connecting, "refused: #{device.node} runs none of this")
    assert [_] = Regex.scan(~r/^refused: /m, output)
    refute output =~ "Would deploy"
  end

  test "Hotpush.push!/1 prints the lines and answers :ok, in IEx", context do
    %{project: project, device: device} = context
    Project.write(project, "lib/desk.ex", source(4))

    script = ~S"""
    node = System.get_env("NODE")
    IO.inspect({:first, Hotpush.push!(node: node)})
    IO.inspect({:second, Hotpush.push!(node: node)})
    IO.inspect({:third, Hotpush.push!(node: "nobody@127.0.0.1", timeout: 2_000)})
    try do
      Hotpush.push!(node: node, purge: :hard)
    rescue
      error in Hotpush.Error -> IO.puts(["raised ", Exception.message(error)])
    end
    File.write!("lib/broken.ex", "defmodule Broken do")
    {:error, error} = Hotpush.push(node: node)
    IO.puts(["answered ", Exception.message(error)])
    """

    env = %{"NODE" => to_string(device.node), "HOTPUSH_COOKIE" => to_string(device.cookie)}
    Project.write(project, "script.exs", script)
    {output, 0} = Project.mix(project, ["run", "--no-start", "script.exs"], env)
    Project.delete(project, "lib/broken.ex")
    refute output =~ to_string(device.cookie)

    assert length(deployed(output)) == 10
    assert output =~ ~r/^60 of \d+ modules differed .*\n\{:first, :ok\}$/m
    assert output =~ ~r/^Nothing differs .*\n\{:second, :ok\}$/m
    assert output =~ ~r/^failed: nobody@127.0.0.1.*\n\{:third, :error\}$/m
    assert output =~ "raised --purge takes soft or kill, got hard."
    assert output =~ "answered the project does not compile, so nothing was pushed"
    again(project, device)
  end
end
