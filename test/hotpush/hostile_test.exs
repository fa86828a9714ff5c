defmodule Hotpush.HostileTest do
  @moduledoc """
  A device that lies. Whatever it answers, the user gets a sentence, the document is written, and
  this VM keeps its memory and its atoms.

  Since no real device answers like this, a stub takes the place of a transport. Its answers take the
  same way as those over ssh, through `Hotpush.Protocol.SafeTerm`.
  """
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error, Project, Report, Scanner}
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Answer, SafeTerm}
  alias Hotpush.Report.Result
  alias Hotpush.Config.Target
  alias Hotpush.Push.Visit
  alias Hotpush.Report.Counts
  alias Hotpush.Report.{Document, Lines}
  alias Hotpush.Test.{Run, Workbench}
  doctest Answer
  doctest Hotpush.Protocol.Schema

  defmodule Liar do
    @moduledoc false
    def prepare(target), do: {:ok, target}
    def finish, do: :ok
    def open(target, _timeout), do: Agent.start_link(fn -> target.way end)
    def bytes(_), do: {0, 0}
    def served_by(_), do: :none
    def close(agent), do: Agent.stop(agent)

    def call(agent, _question, _timeout) do
      answer =
        Agent.get_and_update(agent, fn
          [answer | rest] -> {answer, rest}
          [] -> {:lost, []}
        end)

      with true <- answer != :lost,
           {:ok, term} <- SafeTerm.decode(:erlang.term_to_binary(answer)) do
        {:ok, term}
      else
        _ -> {:error, :connection_lost}
      end
    end
  end

  setup_all do
    bench = Workbench.new(:desk, "defmodule Desk.One do\nend\ndefmodule Desk.Two do\nend\n")

    project = %Project{
      apps: [
        %Project.App{
          name: :desk,
          kind: :own,
          ebin: bench.ebin,
          modules: [Desk.One, Desk.Two]
        }
      ],
      state_dir: Run.dir("hostile"),
      target: :host
    }

    inventory = Inventory.scan(project, Scanner.default())
    %{project: project, inventory: inventory}
  end

  # A complete answer.
  defp described do
    %{
      otp: to_string(:erlang.system_info(:otp_release)),
      erts: "13.0",
      elixir: System.version(),
      arch: "x86_64",
      mode: :interactive,
      boot: {"1", 1_700_000_000_000_000_000},
      target: :none,
      firmware: :none,
      platform: :none,
      cut: 7,
      apps: [
        {"desk", "0.1.0", true, true,
         {"Elixir.Desk.One", "1234567",
          [
            {"Elixir.Desk.Two", "1234567", "desk", "abcdefg"},
            {"Elixir.Desk.Old", "1234567", "desk", :removed}
          ], "Elixir.Desk.Gone"}}
      ],
      pushed: [{"", "", [], ""}],
      others: ["kernel", "drawer"],
      files: [
        {"desk", "0123456789abcdef",
         [{"Elixir.Desk.One", "1234567", "7654321"}, {"Elixir.Desk.Gone", "1234567", "7654321"}]}
      ],
      impls: [{"Elixir.Enumerable", ["Elixir.Desk"]}],
      fingerprint: <<0::128>>,
      nifs: ["Elixir.Desk.Gone"],
      old: [{"<0.1.0>", "who", "Elixir.Desk.Zzz"}],
      last_push: {:erlang.term_to_binary({1, "ada@host", "desk", "0123abcd", "f"}), 5}
    }
  end

  @facts [:otp, :erts, :elixir, :arch, :mode, :target, :firmware, :platform, :others, :nifs]

  # The form in which a device answers that cannot leave out any part.
  defp ask(fields \\ %{}) do
    described = Map.merge(described(), fields)

    parts =
      [{:facts, Map.take(described, @facts)}, {:impls, described.impls}] ++
        for(app <- described.apps, do: {:app, app}) ++
        for(shown <- described.pushed, do: {:pushed, shown})

    parts = for {part, at} <- Enum.with_index(parts), do: {"print-#{at}", part}
    described |> Map.drop([:impls, :apps, :pushed | @facts]) |> Map.put(:parts, parts)
  end

  @holders [{"<0.1.0>", "who", "Elixir.Desk.Zzz"}]

  defp loads do
    [
      {:done,
       %{
         steps: [
           load: [
             {"Elixir.Desk.One", {"md5md5md5md5md5!", String.duplicate("d", 32)}},
             {"Elixir.Desk.Two", :not_loaded}
           ],
           remove: [{"Elixir.Desk.Gone", {"md5md5md5md5md5!", :removed}}],
           note: :noted
         ],
         failed: [{"Elixir.Desk.One", :badfile}],
         error: :batch,
         stays: [{"Elixir.Desk.Two", :no_file}, {"Elixir.Desk.One", {:on_load_timeout, 5}}],
         killed: @holders,
         purged: ["Elixir.Desk.One"],
         held: @holders,
         orphaned: [{"<0.1.0>", "who", "Elixir.Desk.Zzz", "top", ["handle_call/3"]}],
         lost: [],
         microseconds: 1_000
       }},
      {:refused, {:held, @holders}},
      {:refused, {:lived_by, [{"<0.1.0>", "who", "Elixir.Desk.Zzz", ""}]}},
      {:refused, {:not_loadable, [{"Elixir.Desk.One", :badfile}]}},
      {:refused, {:nif_loaded, ["Elixir.Desk.One"]}},
      {:refused, {:unready, 5}},
      {:refused, :silent},
      {:refused, :changed},
      {:busy, "ada@host", 3}
    ]
  end

  defp visit(context, answers, options \\ []) do
    config = struct!(%Config{timeout: 10_000, verbosity: :verbose, force?: true}, options)

    visit = %Visit{
      config: config,
      project: %{context.project | state_dir: Run.dir("state")},
      scanner: Scanner.default(),
      inventory: fn -> {:ok, context.inventory, :all} end
    }

    outcome =
      Visit.run(visit, %Target{name: "liar", transport: Liar, way: answers, state_dir: ""})

    report = Report.new(config, [outcome], %{compile: 0.0, scan: 0.0})
    {outcome, report}
  end

  # Everything that a user may see.
  defp readable(report) do
    for {_, line} <- Lines.of(report), do: refute(line =~ ~r/[\x00-\x1f\x7f]/)
    assert Document.of(report) =~ ~r/\A{"version":2,/
    {_count, failed} = Counts.of(report)
    for {_, _, error} <- failed, do: assert(is_binary(Error.message(error)))
    Report.exit_status(report)
  end

  @odd [5, -1, 1.0e300, "", <<255, 27, "[2J">>, "\e]0;x\a", :none, [], [1 | 2], [{1, 2, 3}]] ++
         [%{}, {}, {1, 2}, {1, 2, 3}, [[]], [nil], ["x" | "y"], 1_180_591_620_717_411_303_424]

  defp mutants(term) do
    for path <- paths(term, []), odd <- @odd, do: put(term, path, odd)
  end

  defp paths(term, above) do
    children =
      cond do
        is_map(term) -> Map.to_list(term)
        is_tuple(term) -> term |> Tuple.to_list() |> Enum.with_index(&{&2, &1})
        is_list(term) -> Enum.with_index(term, &{&2, &1})
        true -> []
      end

    [Enum.reverse(above) | Enum.flat_map(children, fn {key, t} -> paths(t, [key | above]) end)]
  end

  defp put(_term, [], odd), do: odd

  defp put(term, [key | rest], odd) when is_map(term),
    do: %{term | key => put(term[key], rest, odd)}

  defp put(term, [at | rest], odd) when is_tuple(term),
    do: put_elem(term, at, put(elem(term, at), rest, odd))

  defp put(term, [at | rest], odd) when is_list(term),
    do: List.replace_at(term, at, put(Enum.at(term, at), rest, odd))

  defp packed(term), do: :erlang.term_to_binary(term)

  test "the true answers are understood", context do
    assert Answer.ask?(ask())

    for load <- loads() do
      assert Answer.load?(load)
      {outcome, report} = visit(context, [packed(ask()), load])
      assert outcome.status in [:failed, :refused]
      refute Enum.any?(outcome.failures, &match?({:unreadable, _}, &1.reason))
      assert readable(report) == 1
    end
  end

  test "any other description of a device is rejected, or harmless", context do
    for mutant <- mutants(ask()), force? <- [true, false] do
      {_, report} = visit(context, [packed(mutant), hd(loads())], force?: force?)
      assert readable(report) in [0, 1]
    end

    for key <- Map.keys(ask()) do
      {outcome, report} = visit(context, [packed(Map.delete(ask(), key)), hd(loads())])
      assert [%{stage: :ask, reason: {:unreadable, _}}] = outcome.failures
      assert readable(report) == 1
    end

    for odd <- @odd do
      {outcome, _} = visit(context, [odd])
      assert [%{stage: :ask}] = outcome.failures
    end
  end

  test "a part that is unknown here, or comes twice, makes the description invalid", context do
    [first | parts] = ask().parts

    for parts <- [
          [1 | parts],
          [0 | parts],
          [first, first | parts],
          [first, 1 | parts],
          parts,
          [first, {"print-9", {:facts, elem(elem(first, 1), 1)}} | parts],
          [{"another length", elem(first, 1)} | parts]
        ] do
      {outcome, report} = visit(context, [packed(%{ask() | parts: parts})])
      assert [%{stage: :ask, reason: {:unreadable, _}}] = outcome.failures
      assert readable(report) == 1
    end
  end

  test "any other report of what was done is rejected", context do
    for load <- loads(), mutant <- mutants(load) do
      {outcome, report} = visit(context, [packed(ask()), mutant])
      assert readable(report) == 1
      # Asked again, it lies again, so the result is unknown.
      assert outcome.status in [:failed, :refused, :unknown]
    end
  end

  test "a lie about who calls removed functions makes at most a wrong notice",
       context do
    lost = [{"Elixir.Desk.One", [{"handle_call", 3}]}]
    [{:done, done} | _] = loads()
    steps = [load: [{"Elixir.Desk.One", :not_loaded}, {"Elixir.Desk.Two", :not_loaded}]]
    load = {:done, %{done | lost: lost, orphaned: [], error: :none, steps: steps}}
    assert Answer.load?(load)
    {without, _} = visit(context, [packed(ask()), put_elem(load, 1, %{elem(load, 1) | lost: []})])
    visit = fn answer -> visit(context, [packed(ask()), load, answer]) end
    orphaned = fn outcome -> List.keyfind(outcome.notices, :orphaned, 0) end

    {outcome, report} = visit.(done.orphaned)
    assert {outcome.round_trips, orphaned.(outcome)} == {3, {:orphaned, done.orphaned}}
    assert readable(report) == 1

    odd = for mutant <- mutants(done.orphaned), not Answer.orphaned?(mutant), do: mutant

    for answer <- [:lost, {:busy, "ada@host", 3}, []] ++ odd do
      {outcome, report} = visit.(answer)
      assert {outcome.round_trips, orphaned.(outcome)} == {3, nil}
      assert readable(report) == 1

      for field <- [:status, :loaded, :deleted, :failures, :refusals, :notices, :lost],
          do: assert(Map.fetch!(outcome, field) == Map.fetch!(without, field))
    end

    # And this is not a valid answer to the push.
    for mutant <- mutants(lost), not Answer.load?({:done, %{done | lost: mutant}}) do
      {outcome, _} = visit(context, [packed(ask()), {:done, %{done | lost: mutant}}])
      assert outcome.status in [:failed, :unknown]
    end
  end

  test "text from a device is never part of a suggested command, and is quoted unless it is a name",
       context do
    odd = "$(touch x)"
    lines = fn {_, report} -> Enum.map_join(Lines.of(report), "\n", &elem(&1, 1)) end

    ask = fn fields ->
      lines.(visit(context, [packed(ask(fields))], force?: false))
    end

    [{_, _, _, _, shown}] = described().apps

    for {fields, says} <- [
          {%{target: odd}, ~S|built for the target "$(touch x)", but this build is for host|},
          {%{target: "rpi0"}, ~S|built for the target "rpi0", but this build is for host|},
          {%{platform: odd}, ~S|built for the target "$(touch x)"|},
          {%{elixir: "1.`touch x`"}, ~S|runs Elixir "1.`touch x`"|},
          {%{otp: "1.`touch x`"}, ~S|runs Erlang/OTP "1.`touch x`"|},
          {%{apps: [{odd, "1", true, true, {"", "", [], ""}}]}, ~S|it runs "$(touch x)"|},
          {%{impls: [{"Elixir.Desk.One", ["Elixir.$(touch x)"]}]},
           ~S|"Elixir.Desk.One.$(touch x)"|},
          {%{old: [{"$(a)", odd, "Elixir.Desk.One"}]}, ~S|"$(a)" "$(touch x)" (Elixir.Desk.One)|},
          {%{old: [{"<0.1.0>", "Elixir.Desk:run/0", "Elixir.Desk.One"}]},
           "<0.1.0> Elixir.Desk:run/0 (Elixir.Desk.One)"}
        ] do
      output = ask.(fields)
      assert output =~ says
      refute output =~ "MIX_TARGET="
    end

    # The removals that its lies cause, and what it says about them.
    gone = put_elem(shown, 0, "Elixir.$(touch x)")
    answer = packed(ask(%{apps: [{"desk", "0.1.0", true, true, gone}]}))
    living = {"", odd, "Elixir.Desk.One", odd}

    for {load, says} <- [
          {{:refused, {:lived_by, [living]}}, ~S|"$(touch x)" under "$(touch x)"|},
          {{:refused, {:not_loadable, [{odd, "`x`"}]}}, ~S|cannot load "$(touch x)" ("`x`")|},
          {put_in(hd(loads()), [Access.elem(1), :orphaned], [Tuple.insert_at(living, 4, [odd])]),
           ~S|"$(touch x)" by "$(touch x)"|}
        ] do
      output = lines.(visit(context, [answer, load]))
      assert output =~ says
      refute output =~ ~r/(^|[\s(])[^\s"(]*\$\(touch/
    end
  end

  test "hundreds of thousands of names, or empty ones, cost neither memory nor atoms", context do
    names = Enum.map_join(1..60_000, "\0", &"never_here_#{&1}")

    for {names, what} <- [
          {names, :many},
          {:binary.copy(<<0>>, 8_000_000), :empty},
          {String.duplicate("x", 300), :long},
          {:binary.copy("a\0", 500_000) <> "a", :short}
        ] do
      shown = {"", "", [], names}
      apps = [{"desk", "0.1.0", true, true, shown}]
      {outcome, _} = visit(context, [:erlang.term_to_binary(ask(%{apps: apps}), [:compressed])])
      assert {[%{stage: :ask, reason: {:unreadable, _}}], _} = {outcome.failures, what}
    end

    # A module that is gone here is removed there, and its name stays text.
    gone = Enum.map_join(1..500, "\0", &"never_here_#{&1}")
    shown = {gone, String.duplicate("1234567", 500), [], ""}
    answer = ask(%{apps: [{"desk", "0.1.0", true, true, shown}]})
    {%Result{plan: plan}, _} = visit(context, [packed(answer), {:busy, "", 0}])
    assert length(plan.remove) == 500
    assert_raise ArgumentError, fn -> String.to_existing_atom("never_here_7") end
  end
end
