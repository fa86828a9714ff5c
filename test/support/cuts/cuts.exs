# Many faults, and what came of them: see bin/cuts.
alias Hotpush.Test.{Cuts, Epmd, Run}

[count, seed] = Enum.map(System.argv(), &String.to_integer/1)
IO.puts("#{count} faults, seed #{seed}")
Epmd.ensure()
Run.root()
Hotpush.Application.ensure_started()

trials =
  Cuts.run(count, seed, fn trial ->
    IO.write(if trial.wrong == [], do: ".", else: "!")
    if trial.wrong != [], do: IO.inspect(trial, label: "\nwrong")
  end)

IO.puts("\n")

for {{way, fault}, trials} <- trials |> Enum.group_by(&{&1.way, &1.fault}) |> Enum.sort() do
  counts = Enum.frequencies_by(trials, &"#{&1.status}, runs the #{&1.runs}")
  IO.puts("#{way}, #{fault}: " <> Enum.map_join(counts, "; ", fn {what, n} -> "#{n} #{what}" end))
end

wrong = Enum.count(trials, &(&1.wrong != []))
IO.puts("#{count - wrong} passed, #{wrong} failed")
if wrong > 0, do: exit({:shutdown, 1})
