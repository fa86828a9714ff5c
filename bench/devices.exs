# How long `mix hotpush.devices` takes when devices hang; see bench/README.md.
#
#     MIX_ENV=test mix run bench/devices.exs

for file <- ~w(support/measure support/results support/command),
    do: Code.require_file("#{file}.exs", __DIR__)

defmodule Hotpush.Bench.Devices do
  @moduledoc """
  Devices that hang: their ports accept connections, and nobody answers. Half of them are nodes that epmd
  knows, the others are hosts with ssh. The whole of `mix hotpush.devices` is timed, as an OS process.
  """

  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Bench.{Command, Measure, Results}
  alias Hotpush.Test.{Epmd, Project, Run}

  @counts [1, 10, 50]
  @rounds 5
  @timeout 2_000
  @result Path.expand("results/devices.json", __DIR__)

  def run do
    Epmd.ensure()
    {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, backlog: 1_024)
    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> accept(listener, []) end)
    project = Project.new(app: :varied, files: %{"lib/a.ex" => "defmodule A do\nend\n"})
    Project.mix!(project, ["compile"])
    list(project, 1, port)

    rounds =
      for _ <- 1..@rounds, count <- @counts do
        floor = Command.floor(project)
        {ms, output} = list(project, count, port)
        # Each of them is reported, and none has answered.
        ^count = length(Regex.scan(~r/"state":"silent"/, output))
        IO.write(".")
        {count, ms - floor - @timeout, floor, ms}
      end

    worst =
      for count <- @counts, do: {count, Enum.max(for {^count, over, _, _} <- rounds, do: over)}

    figures = for {count, over} <- worst, do: figure(name(count), over, "ms", {:at_most, 500})

    measures =
      for(count <- @counts, do: {:"hanging_#{count}_ms", median(all(rounds, count))}) ++
        [
          timeout_ms: @timeout,
          rounds: @rounds,
          mix_run_ms: median(for {_, _, f, _} <- rounds, do: f)
        ]

    IO.puts("")
    Results.print(figures)
    for {name, number} <- measures, do: IO.puts("  #{name}: #{number}")
    Results.write(@result, figures, Measure.machine(), measures)
  end

  defp name(count), do: "#{count} devices hang: beyond the timeout and Mix's own start, at worst"
  defp all(rounds, count), do: for({^count, _, _, ms} <- rounds, do: ms)

  # Keeps connections open, and never answers.
  defp accept(listener, sockets) do
    {:ok, socket} = :gen_tcp.accept(listener)
    accept(listener, [socket | sockets])
  end

  defp list(project, count, port) do
    names = for _ <- 1..count//2, do: Run.name("hang")
    held = Enum.map(names, &Epmd.register(&1, port))
    toml = Enum.map(names, &device("node", "#{&1}@127.0.0.1")) ++ ssh(count - length(names), port)
    File.write!(Path.join(project.dir, "hotpush.toml"), toml)
    args = ["hotpush.devices", "--json", "-", "--timeout", "#{@timeout}"]
    env = %{"HOTPUSH_COOKIE" => "bench"}
    result = Measure.timed(fn -> Project.mix!(project, args, env) end)
    Enum.each(held, &:gen_tcp.close/1)
    result
  end

  # Each has an address of its own.
  defp ssh(0, _port), do: []
  defp ssh(count, port), do: for(n <- 1..count, do: device("ssh", "user#{n}@127.0.0.1:#{port}"))

  defp device(kind, name) do
    key = Run.name("device")
    "[device.#{key}]\n#{kind} = \"#{name}\"\n"
  end
end

Hotpush.Bench.Devices.run()
