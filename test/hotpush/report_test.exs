defmodule Hotpush.ReportTest do
  @moduledoc "Lines, JSON and exit statuses. Without it, scripts that read them could break."
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error, Plan, Report}
  alias Hotpush.CLI.JsonFile
  alias Hotpush.Config.Target
  alias Hotpush.Plan.Step
  alias Hotpush.Report.Result
  alias Hotpush.Report.{Document, Lines}
  doctest Hotpush.Report.Document

  @target %Target{name: "a@b"}

  defp plan(load, remove \\ []) do
    load = for {module, reason} <- load, do: action(module, reason)
    remove = for module <- remove, do: action(module, :gone)
    steps = if load == [], do: [], else: [%Step.Load{modules: load}]
    steps = if remove == [], do: steps, else: steps ++ [%Step.Remove{modules: remove}]
    %{Plan.new(steps) | checked: 214}
  end

  defp action(module, reason) do
    %Plan.Action{module: module, app: :x, reason: reason}
  end

  defp outcome(fields), do: struct!(%Result{target: @target, connected?: true}, fields)

  defp report(outcomes, config \\ %Config{}) do
    Report.new(config, List.wrap(outcomes), %{compile: 1.0, scan: 2.0})
  end

  defp lines(outcomes, config \\ %Config{}), do: outcomes |> report(config) |> Lines.of()
  defp text(lines), do: Enum.map(lines, &elem(&1, 1))

  @holders [{"<0.1.0>", "looper", "m"}]

  @done [
    status: :done,
    loaded: ["Elixir.Example"],
    added: ["new"],
    deleted: ["old"],
    checked: 214,
    sent: 1_434,
    round_trips: 2,
    ms: %{load: 38.4}
  ]

  test "the older task's lines come first, word for word" do
    done = outcome([plan: plan([{"Elixir.Example", :code}, {"new", :new}], ["old"])] ++ @done)

    assert text(lines(done)) == [
             "Successfully connected to a@b",
             "Successfully deployed Elixir.Example to a@b",
             "Successfully deployed new to a@b",
             "Successfully deleted old from a@b",
             "2 of 214 modules differed, 1 removed, on a@b: loaded in 38 ms (1.4 kB sent, 2 round trips)"
           ]

    assert Report.exit_status(report(done)) == 0
  end

  test "nothing differs" do
    done = outcome(status: :done, plan: plan([]), checked: 214, round_trips: 1)

    assert "Nothing differs on a@b: 214 modules checked (0 B sent, 1 round trip)" in text(
             lines(done)
           )
  end

  test "modules that only --all loads do not count as differing" do
    forced = [{"a", :forced}, {"b", :forced}]
    done = [status: :done, plan: plan(forced), checked: 214, ms: %{load: 1.0}]
    assert List.last(text(lines(outcome(done)))) =~ "2 modules loaded (--all) on a@b: done in 1"
    done = Keyword.put(done, :plan, plan([{"c", :code} | forced], ["o"]))

    assert List.last(text(lines(outcome(done)))) =~
             "1 of 214 modules differed, 2 more loaded (--all), 1 removed, on a@b: loaded in 1"

    planned = outcome(status: :planned, plan: plan(forced), checked: 214)
    assert List.last(text(lines(planned))) =~ "2 modules to load (--all) on a@b: nothing was"
  end

  test "a dry run says once what would be done" do
    plan = %{plan([], ["o", "p"]) | notices: [{:new_app, "fresh"}, {:would_kill, @holders}]}
    planned = outcome(status: :planned, plan: plan, notices: plan.notices, checked: 9)

    assert [
             "Successfully connected to a@b",
             "Would delete o from a@b",
             "Would delete p from a@b",
             "note: a@b does not have the application fresh: its modules would be loaded, " <> _,
             "note: --purge kill would end on a@b: <0.1.0> looper (m)",
             "2 modules to remove on a@b: nothing was changed there (--dry-run)"
           ] = text(lines(planned))

    assert Document.of(report(planned)) =~ ~S("kind":"would_kill")
    planned = outcome(status: :planned, plan: plan([{"m", :code}]), checked: 9)
    verbose = Enum.join(text(lines(planned, %Config{verbosity: :verbose, dry_run?: true})), "\n")
    assert length(Regex.scan(~r/its code differs/, verbose)) == 1
    assert verbose =~ "1 of 9 modules differs on a@b"
  end

  test "if modules were only removed, the summary counts those" do
    done = outcome(status: :done, plan: plan([], ["o"]), checked: 9, ms: %{load: 1.0})
    assert List.last(text(lines(done))) =~ "1 module removed on a@b: done in 1"
    failed = [status: :failed, plan: plan([], ["o", "p"]), deleted: ["o"]]
    assert List.last(text(lines(outcome(failed)))) == "a@b still has 1 of the 2 modules to remove"
  end

  test "a refused push says why, and if asked, what it would have done" do
    refusal = Error.new(:refusal, "a@b", {:otp_older, "27", "26"})
    plan = %{plan([{"m", :lines}]) | notices: [{:new_app, "fresh"}]}
    refused = outcome(status: :refused, plan: plan, refusals: [refusal], notices: plan.notices)

    assert lines(refused) == [
             {:good, "Successfully connected to a@b"},
             {:error, "refused: " <> Error.message(refusal)},
             {:error, "Nothing was changed on a@b"}
           ]

    for config <- [%Config{dry_run?: true}, %Config{verbosity: :verbose}] do
      lines = lines(refused, config)
      assert {:info, "Would deploy m to a@b (its line numbers differ)"} in lines
      assert {:error, "refused: " <> Error.message(refusal)} in lines
      refute Enum.join(text(lines)) =~ ~r/note:|line numbers.*line numbers/
    end

    assert Report.exit_status(report(refused)) == 1
  end

  test "one failed device is enough for a failed status" do
    good = outcome(status: :done, plan: plan([]))
    bad = Result.failed(%Result{target: @target}, Error.new(:connect, "a@b", :no_home))
    assert Report.exit_status(report([good, bad])) == 1
    assert Report.exit_status(report([good, outcome(status: :planned, plan: plan([]))])) == 0
  end

  test "of more than 20 modules, the first 10 and a count are shown; with --verbose, all" do
    names = for n <- 100..159, do: "m#{n}"
    plan = plan(Enum.map(names, &{&1, :code}), names)
    done = outcome(status: :done, plan: plan, loaded: names, deleted: names)
    lines = lines(done)
    deployed = for {:good, "Successfully deployed " <> rest} <- lines, do: hd(String.split(rest))
    assert deployed == Enum.take(names, 10)
    assert Enum.count(lines, &(elem(&1, 1) =~ "Successfully deleted")) == 10
    assert Enum.count(lines, &(elem(&1, 1) == "and 50 more (--verbose lists them)")) == 2

    failures = for name <- names, do: Error.new(:load, name, :other_code)
    connect = Error.new(:connect, "a@b", :no_home)
    failed = outcome(status: :failed, plan: plan, failures: failures ++ [connect])
    assert Enum.count(lines(failed), &(elem(&1, 1) =~ "was sent, but")) == 10
    assert {:error, "failed: " <> Error.message(connect)} in lines(failed)

    planned = outcome(status: :planned, plan: plan)
    assert Enum.count(text(lines(planned)), &(&1 =~ "Would deploy")) == 10
    assert Enum.count(text(lines(planned)), &(&1 =~ "Would delete")) == 10

    for outcome <- [done, failed, planned] do
      text = Enum.join(text(lines(outcome, %Config{verbosity: :verbose})), "\n")
      for name <- names, do: assert(text =~ name)
      refute text =~ "more (--verbose"
    end

    names = Enum.take(names, 20)
    few = outcome(status: :done, plan: plan(Enum.map(names, &{&1, :code})), loaded: names)
    assert Enum.count(text(lines(few)), &(&1 =~ "Successfully deployed")) == 20
  end

  test "for another project's device, only that is said" do
    refusal = Error.new(:refusal, "a@b", {:other_project, ["x"], []})
    refused = outcome(status: :refused, plan: plan([{"m", :new}]), refusals: [refusal])

    for config <- [%Config{}, %Config{dry_run?: true}, %Config{verbosity: :verbose}] do
      text = Enum.join(text(lines(refused, config)), "\n")
      assert text =~ "runs none of this project's applications"
      refute text =~ ~r/Would|m: new/
    end
  end

  test "the phases add up to the time that the user waited" do
    done = outcome(status: :done, plan: plan([]), ms: %{scan: 1.0, connect: 20.0, ask: 30.0})
    ms = %{start: 2_000.0, compile: 100.0, scan: 2.0, total: 2_200.0}
    report = Report.new(%Config{verbosity: :verbose}, [done], ms)
    told = Report.ms(report, done)
    assert Enum.sum(Keyword.values(told)) == 2_200.0
    assert {told[:scan], told[:rest]} == {3.0, 47.0}

    assert Enum.at(text(Lines.of(report)), -2) ==
             "  compile 100 ms, scan 3.0 ms, connect 20 ms, ask 30 ms, rest 47 ms, " <>
               "2000 ms before the command: 2200 ms in all"
  end

  test "--quiet shows only what went wrong" do
    quiet = %Config{verbosity: :quiet}
    assert lines(outcome([plan: plan([])] ++ @done), quiet) == []
    bad = Result.failed(outcome([]), Error.new(:connect, "a@b", :no_home))
    assert [{:error, "failed: " <> _}] = lines(bad, quiet)
  end

  test "whatever a device answers is escaped" do
    held = Error.new(:refusal, "a@b", {:held, [{"<0.1.0>", "\e[2Jboo\r", "m"}]})
    lines = lines(outcome(status: :refused, plan: plan([]), refusals: [held]))
    for line <- text(lines), do: refute(line =~ ~r/[\x00-\x1f]/)
    assert Enum.any?(text(lines), &(&1 =~ ~S(\e[2Jboo\r)))
  end

  test "the JSON document says the same, on one line" do
    held = Error.new(:refusal, "a@b", {:held, [{"<0.1.0>", "\e\n", "m"}]})
    refused = outcome(status: :refused, plan: plan([{"m", :code}], ["o"]), refusals: [held])
    document = Document.of(report(refused))
    refute document =~ "\n"
    assert document =~ ~S("status":"refused")

    assert document =~
             ~S("planned":{"load":[{"module":"m","app":"x","reason":"code"}],"remove":["o"]})

    assert document =~ ~S("kind":"held")
    assert Document.of_error(Error.new(:usage, nil, :no_nodes)) =~ ~S("ok":false)
  end

  describe "reading back" do
    @digest :erlang.md5("x") <> :erlang.md5("y")
    @packed %{"m" => %{md5: "md5", digest: @digest}, "n" => %{md5: "md5", digest: @digest}}

    defp read_back(identities, options \\ []) do
      identities = for {name, identity} <- identities, do: {to_string(name), identity}

      result =
        Map.merge(
          %{
            steps: [load: identities, remove: identities],
            failed: [],
            error: :none,
            killed: [],
            held: [],
            orphaned: [],
            stays: [],
            purged: [],
            microseconds: 5_000
          },
          Map.new(options)
        )

      outcome = Result.planned(outcome([]), plan([{"m", :code}, {"n", :new}], ["o"]))
      Result.read_back(outcome, {:done, result}, @packed)
    end

    test "only what the device then runs counts as deployed" do
      good = {"md5", @digest}

      assert %{status: :done, loaded: ["m"], added: ["n"], deleted: ["o"], ms: %{load: 5.0}} =
               read_back(m: good, n: good, o: :not_loaded)

      assert %{status: :done, deleted: ["o"]} = read_back(m: good, n: good, o: {"s", :removed})

      outcome = read_back(m: {"other", @digest}, n: good, o: {"still", :none})
      assert %{status: :failed, loaded: [], added: ["n"], deleted: []} = outcome

      assert [%{subject: "m", reason: :other_code}, %{subject: "o", reason: :still_there}] =
               outcome.failures
    end

    test "an on_load failure is a failure, and so are the modules after it" do
      old = {"old", :none}
      failed = [{"m", :on_load_failure}]
      outcome = read_back([m: old, n: :not_loaded, o: old], failed: failed, error: :on_load)
      assert %{status: :failed, loaded: [], added: []} = outcome

      assert [
               {"m", {:not_loaded, :on_load_failure}},
               {"n", {:not_loaded, :batch}},
               {"o", :still_there}
             ] = Enum.map(outcome.failures, &{&1.subject, &1.reason})
    end
  end

  test "a document that cannot be written is said to be that" do
    for path <- ["/nonexistent/report.json", System.tmp_dir!()] do
      assert {:error, error} = JsonFile.begin(path, &Document.of_error/1)
      assert Error.message(error) =~ "--json could not write #{path}: "
      assert Report.exit_status(error) == 2
    end
  end
end
