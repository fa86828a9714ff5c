# Many calls over one session, and what they left: see bin/soak.
alias Hotpush.Test.{Epmd, Run, Soak}

[calls] = Enum.map(System.argv(), &String.to_integer/1)
Epmd.ensure()
Run.root()
Hotpush.Application.ensure_started()

grown =
  for way <- [:dist, :ssh] do
    began = System.monotonic_time(:second)

    looks =
      Soak.run(way, calls, 2 * calls, fn look ->
        seen = Enum.map_join(Soak.figures(), ", ", &"#{&1} #{inspect(look[&1])}")
        IO.puts("#{way}, #{look.calls} calls: #{seen}")
      end)

    IO.puts("#{way}: #{System.monotonic_time(:second) - began} s")
    for what <- Soak.grown(looks), do: IO.puts("#{way} has grown: #{what}")
    Soak.grown(looks)
  end

if List.flatten(grown) != [], do: exit({:shutdown, 1})
