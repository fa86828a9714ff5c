# The whole command, next to Mix's own start and to the older way; see bench/README.md.
#
#     MIX_ENV=test mix run bench/hotswap.exs

for file <-
      ~w(support/measure support/results support/command) ++
        ~w(hotswap/one_device hotswap/slow_device) do
  Code.require_file("#{file}.exs", __DIR__)
end

defmodule Hotpush.Bench.Hotswap do
  alias Hotpush.Bench.{Measure, OneDevice, Results, SlowDevice}
  alias Hotpush.Test.{Beams, Device, Project}

  @modules 500
  @result Path.expand("results/hotswap.json", __DIR__)

  def run do
    IO.puts("building a project of #{@modules} modules and its release")
    project = Project.new(app: :varied, files: Beams.sources(@modules))
    release = Project.release(project)
    change(project, [1])
    {slow, slow_measures} = SlowDevice.run(project, release)
    device = Device.start(release: release, link: 10)
    few = fn -> :ok end
    all = fn -> change(project, 1..@modules) end
    changes = %{few: few, all: all, edit: &edit(project, &1)}
    {one, one_measures} = OneDevice.run(project, device, changes)
    Device.stop(device)

    IO.puts("")
    Results.print(one ++ slow)
    measures = [modules: @modules, link_round_trip_ms: 10] ++ one_measures

    for {name, number} <- measures ++ slow_measures,
        do: IO.puts("  #{name}: #{number}")

    Results.write(
      @result,
      one ++ slow,
      Measure.machine(),
      measures ++ slow_measures
    )
  end

  # A save that is not compiled yet. Each is larger than the one before, so that Mix sees it.
  defp edit(project, round) do
    [{path, text} | _] = @modules |> Beams.sources([1]) |> Enum.sort()
    edited = "def edited, do: 1#{String.duplicate("0", round)}\nend\n"
    File.write!(Path.join(project.dir, path), String.replace(text, ~r/end\s*\z/, edited))
  end

  # As an editor does; this is not timed.
  defp change(project, numbers) do
    sources = Beams.sources(@modules, numbers)
    old = Beams.sources(@modules)

    for {path, text} <- sources,
        old[path] != text,
        do: File.write!(Path.join(project.dir, path), text)

    # If the size stays the same, Mix sees a change only by the second of the file's time.
    Process.sleep(1_100)
    for {path, text} <- sources, old[path] != text, do: File.touch!(Path.join(project.dir, path))
    Project.mix!(project, ["compile"])
  end
end

Hotpush.Bench.Hotswap.run()
