# What a push carries, in bytes; see bench/README.md. Nothing is timed, so the machine may be busy.
#
#     MIX_ENV=test mix run bench/bytes.exs

for file <- ~w(support/measure support/results support/command),
    do: Code.require_file("#{file}.exs", __DIR__)

defmodule Hotpush.Bench.Bytes do
  import Hotpush.Bench.Results
  alias Hotpush.Bench.{Command, Measure}
  alias Hotpush.Test.{Beams, Device, Project}

  @modules 500
  @rounds 3
  @result Path.expand("results/bytes.json", __DIR__)

  def run do
    IO.puts("building a project of #{@modules} modules and its release")
    project = Project.new(app: :varied, files: Beams.sources(@modules))
    device = Device.start(release: Project.release(project), link: 0)
    change(project, [1])
    %{loaded: 1} = Command.hotswap(project, [device])
    {one, none, cold} = unzip(for _ <- 1..@rounds, do: one(project, device))
    change(project, 1..@modules)
    all = for _ <- 1..@rounds, do: all(project, device)
    Device.stop(device)

    figures = [
      figure("nothing changed", kb(none), "kB", {:at_most, 6}),
      figure("1 changed", kb(one), "kB", {:at_most, 10}),
      figure("1 changed, first contact", kb(cold), "kB", {:at_most, 18}),
      figure("all changed", kb(all), "kB", {:at_most, 1000})
    ]

    print(figures)

    write(@result, figures, Measure.machine(),
      modules: @modules,
      none_bytes: median(none),
      one_bytes: median(one),
      one_first_contact_bytes: median(cold),
      all_bytes: median(all)
    )
  end

  # The device is rebooted before each push, so that each push finds the firmware.
  defp one(project, device) do
    device = Device.restart(device)
    %{loaded: 1, round_trips: 2} = one = Command.hotswap(project, [device])
    %{loaded: 0, round_trips: 1} = none = Command.hotswap(project, [device])
    device = Device.restart(device)
    Command.forget(project)
    %{loaded: 1} = cold = Command.hotswap(project, [device])
    {one.bytes, none.bytes, cold.bytes}
  end

  defp all(project, device) do
    device = Device.restart(device)
    %{loaded: @modules, round_trips: 3} = all = Command.hotswap(project, [device])
    all.bytes
  end

  defp unzip(rounds), do: for(at <- 0..2, do: Enum.map(rounds, &elem(&1, at))) |> List.to_tuple()
  defp median(bytes), do: round(Measure.median(bytes))
  defp kb(bytes), do: median(bytes) / 1000

  defp change(project, numbers) do
    old = Beams.sources(@modules)

    for {path, text} <- Beams.sources(@modules, numbers), old[path] != text do
      File.write!(Path.join(project.dir, path), text)
      File.touch!(Path.join(project.dir, path), System.os_time(:second) + 2)
    end

    Project.mix!(project, ["compile"])
  end
end

Hotpush.Bench.Bytes.run()
