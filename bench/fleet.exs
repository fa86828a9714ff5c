# What many devices cost the host: its own CPU time and memory; see bench/README.md.
#
#     MIX_ENV=test mix run bench/fleet.exs

for file <- ~w(measure results command), do: Code.require_file("support/#{file}.exs", __DIR__)

defmodule Hotpush.Bench.Fleet do
  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Bench.{Command, Measure, Results}
  alias Hotpush.Test.{Beams, Device, Epmd, Project, Run}

  @modules 500
  @rounds 5
  @counts [1, 20, 100]
  # How many of the hundred devices are faulty: a third of these is down, a third accepts connections and
  # never answers, a third refuses.
  @broken 15
  @timeout 10_000
  @result Path.expand("results/fleet.json", __DIR__)
  # Measures what the command and its children use: seconds of CPU, and kB of the largest process.
  @counting """
  import os, resource, subprocess, sys
  status = subprocess.call([os.environ["BENCH_MIX"]] + sys.argv[1:])
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  with open(os.environ["BENCH_USED"], "w") as file:
      file.write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
  sys.exit(status)
  """

  def run do
    IO.puts("building a project of #{@modules} modules and its release")
    project = Project.new(app: :varied, files: Beams.sources(@modules))
    release = Project.release(project)
    Project.mix!(project, ["compile"])
    most = Enum.max(@counts)
    IO.puts("starting #{most} devices")
    cookie = :"#{Base.encode16(:rand.bytes(8))}"

    devices =
      for _ <- 1..most,
          do: Device.start(release: release, cookie: cookie, args: ~w(+S 1:1 +SDcpu 1:1 +SDio 1))

    rounds = for round <- 0..@rounds, count <- @counts, do: round(project, devices, round, count)
    broken = broken(project, Enum.drop(devices, @broken))
    Enum.each(devices, &Device.stop/1)
    IO.puts("")

    # The first round reads files that nothing is remembered of.
    of = fn count, key -> for {round, ^count, used} <- rounds, round > 0, do: used[key] end

    figures = [
      figure(
        "CPU time, 20 devices to one",
        ratio(of.(20, :cpu), of.(1, :cpu)),
        "x",
        {:at_most, 2}
      ),
      figure(
        "CPU time, 100 devices to one",
        ratio(of.(100, :cpu), of.(1, :cpu)),
        "x",
        {:at_most, 5}
      ),
      figure(
        "100 devices, #{@broken} of them broken: memory",
        broken.memory,
        "MB",
        {:at_most, 300}
      ),
      figure(
        "100 devices, #{@broken} of them broken: pushed to",
        broken.loaded,
        "devices",
        {:exactly, most - @broken}
      )
    ]

    measures =
      [modules: @modules, broken_ms: broken.ms, mix_run_cpu_ms: mix_run(project)] ++
        for(count <- @counts, do: {:"cpu_#{count}_ms", median(of.(count, :cpu))}) ++
        for(count <- @counts, do: {:"memory_#{count}_mb", median(of.(count, :memory))}) ++
        for(count <- @counts, do: {:"time_#{count}_ms", median(of.(count, :ms))})

    Results.print(figures)
    for {name, number} <- measures, do: IO.puts("  #{name}: #{number}")
    Results.write(@result, figures, Measure.machine(), measures)
  end

  # One module differs on each of the devices.
  defp round(project, devices, round, count) do
    save(project, round * length(@counts) + Enum.find_index(@counts, &(&1 == count)))
    {used, output} = push(project, Enum.map(Enum.take(devices, count), & &1.node), hd(devices))
    ^count = Command.loaded(Command.document(output))
    IO.write(".")
    {round, count, used}
  end

  # Each is larger than the one before, so that Mix sees it.
  defp save(project, version) do
    [{path, text} | _] = @modules |> Beams.sources([1]) |> Enum.sort()
    saved = "def saved, do: 1#{String.duplicate("0", version)}\nend\n"
    File.write!(Path.join(project.dir, path), String.replace(text, ~r/end\s*\z/, saved))
    Project.mix!(project, ["compile"])
  end

  defp broken(project, devices) do
    third = div(@broken, 3)
    {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, backlog: 64)
    {:ok, port} = :inet.port(listener)
    hanging = for _ <- 1..third, do: Run.name("hang")
    held = Enum.map(hanging, &Epmd.register(&1, port))
    strangers = for _ <- 1..third, do: Device.start(erlang_only: true)
    gone = for _ <- 1..third, do: Run.name("gone")
    names = Enum.map(hanging ++ gone, &:"#{&1}@127.0.0.1") ++ Enum.map(strangers, & &1.node)
    save(project, 100)
    {used, output} = push(project, names ++ Enum.map(devices, & &1.node), hd(devices))
    Enum.each(held, &:gen_tcp.close/1)
    Enum.each(strangers, &Device.stop/1)
    Map.put(used, :loaded, Command.loaded(Command.document(output)))
  end

  defp push(project, nodes, %{cookie: cookie}) do
    args = ["upload.hotswap", "--json", "-", "--timeout", "#{@timeout}"]
    args = args ++ Enum.flat_map(nodes, &["--node", to_string(&1)])
    counted(project, args, %{"HOTPUSH_COOKIE" => to_string(cookie)})
  end

  defp mix_run(project) do
    for(_ <- 1..@rounds, do: counted(project, ["run", "--no-start", "-e", ":ok"], %{}))
    |> Enum.map(fn {used, _output} -> used.cpu end)
    |> median()
  end

  # A program named `mix` that measures, before the real one on the PATH.
  defp counted(project, args, env) do
    dir = Run.dir("counting")
    File.mkdir_p!(dir)
    mix = Path.join(dir, "mix")
    File.write!(mix, "#!/usr/bin/env python3\n" <> @counting)
    File.chmod!(mix, 0o755)

    env =
      Map.merge(env, %{
        "PATH" => "#{dir}:#{System.get_env("PATH")}",
        "BENCH_MIX" => System.find_executable("mix"),
        "BENCH_USED" => Path.join(dir, "used")
      })

    {ms, {output, _status}} = timed(fn -> Project.mix(project, args, env) end)
    [cpu, memory] = dir |> Path.join("used") |> File.read!() |> String.split()

    {%{ms: ms, cpu: String.to_float(cpu) * 1000, memory: String.to_integer(memory) / 1024},
     output}
  end
end

Hotpush.Bench.Fleet.run()
