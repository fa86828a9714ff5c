# A library's history, and what came of it on a device: see bin/history.
alias Hotpush.Test.{Epmd, History, Run}

{kind, [repository | rest]} =
  case System.argv() do
    ["--own" | args] -> {:own, args}
    args -> {:dependency, args}
  end

count = rest |> Enum.at(0, "40") |> String.to_integer()
began = System.monotonic_time(:second)
Epmd.ensure()
Run.root()
Hotpush.Application.ensure_started()

trials =
  History.replay(Path.expand(repository), count, [kind: kind, from: Enum.at(rest, 1)], fn trial ->
    marks = %{pushed: ".", refused: "r", broken: "-", failed: "F"}
    IO.write(if trial.faults == [], do: marks[trial.came], else: "!")
  end)

IO.puts("\n")

for %{came: came, why: why, commit: commit} <- trials,
    came in [:refused, :failed],
    do: IO.puts("#{String.slice(commit, 0, 10)} #{came}: #{why}")

for %{faults: faults, commit: commit} <- trials, fault <- faults do
  IO.puts("#{String.slice(commit, 0, 10)} WRONG: " <> inspect(fault, printable_limit: :infinity))
end

modules = trials |> Enum.map(& &1.modules) |> Enum.max(fn -> 0 end)
seconds = System.monotonic_time(:second) - began
%{app: app} = History.Library.at(repository, "HEAD")
IO.puts("#{app} (#{kind}), up to #{modules} modules, #{seconds} s")
IO.puts(History.summary(trials))
unless History.right?(trials), do: exit({:shutdown, 1})
