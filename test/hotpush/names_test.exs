defmodule Hotpush.NamesTest do
  @moduledoc """
  Modules whose names are not ASCII: in Latin-1, and beyond it. Real nodes, including one that reads file
  names as Latin-1, since a device's locale is often C.
  """
  use ExUnit.Case, async: false

  alias Hotpush.{Error, Report}
  alias Hotpush.Test.{Device, Until, Workbench}

  @module """
  defmodule NAME do
    def v, do: :v0
    def start(name), do: spawn(fn -> Process.register(self(), name); loop() end)
    def loop do
      receive do
        :stop -> :ok
      end
      loop()
    end
  end
  """

  @plain "Elixir.Desk.Plain"
  @names [@plain, "Elixir.Desk.Über", "Elixir.Desk.日本", "grüße_erl", "日本_erl"]
  @odd tl(@names)

  defp source(names, version \\ ":v0") do
    @module
    |> String.replace(":v0", version)
    |> then(&Enum.map_join(names, fn name -> String.replace(&1, "NAME", ":\"#{name}\"") end))
  end

  defp bench(names), do: Workbench.new(:desk, source(names))
  defp version(bench, version), do: Workbench.write(bench, source(@names, version))

  defp runs(device),
    do: for(name <- @names, uniq: true, do: Device.call(device, :"#{name}", :v, []))

  defp again(bench, device) do
    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: [], added: [], deleted: [], round_trips: 1} = outcome
  end

  for {mode, locale} <- [embedded: "C.UTF-8", interactive: "C.UTF-8", interactive: "C"] do
    test "are changed, removed and brought back (#{mode}, #{locale})" do
      bench = bench(@names)
      device = Workbench.device(bench, mode: unquote(mode), env: [{"LC_ALL", unquote(locale)}])

      # If file names are Latin-1, the device's own loader does not find those modules, so they are new.
      assert Workbench.push(bench, device).status == :done
      again(bench, device)

      version(bench, ":v1")
      outcome = Workbench.push(bench, device)
      assert %{status: :done, added: []} = outcome
      assert Enum.sort(outcome.loaded) == Enum.sort(@names)
      assert runs(device) == [:v1]
      again(bench, device)

      for name <- @odd, do: Workbench.remove(bench, :"#{name}")
      outcome = Workbench.push(bench, device)
      assert %{status: :done, loaded: []} = outcome
      assert Enum.sort(outcome.deleted) == Enum.sort(@odd)
      for name <- @odd, do: assert(undefined?(device, :"#{name}"))
      again(bench, device)

      version(bench, ":v2")
      assert Workbench.push(bench, device).status == :done
      assert runs(device) == [:v2]
      again(bench, device)
    end
  end

  test "are pushed to a device that has none of them, and reads file names as Latin-1" do
    bench = bench([@plain])
    device = Workbench.device(bench, mode: :embedded, env: [{"LC_ALL", "C"}])
    version(bench, ":v1")
    outcome = Workbench.push(bench, device)
    assert %{status: :done, loaded: [@plain]} = outcome
    assert Enum.sort(outcome.added) == Enum.sort(@odd)
    assert runs(device) == [:v1]
    again(bench, device)
  end

  test "are selected by name, and planned" do
    bench = bench(@names)
    device = Workbench.device(bench, mode: :embedded)
    version(bench, ":v1")
    outcome = Workbench.push(bench, device, dry_run?: true)
    assert Enum.sort(Enum.map(outcome.plan.load, & &1.module)) == Enum.sort(@names)

    for {asked, name} <- [
          {"Desk.日本", "Elixir.Desk.日本"},
          {":\"Elixir.Desk.Über\"", "Elixir.Desk.Über"},
          {":日本_erl", "日本_erl"}
        ] do
      assert Workbench.push(bench, device, modules: [asked]).loaded == [name]
    end

    assert Enum.sort(Workbench.push(bench, device).loaded) == [@plain, "grüße_erl"]
    again(bench, device)
  end

  test "are named where processes run their old code: in the notice, the refusal and after a kill" do
    bench = bench(@names)
    device = Workbench.device(bench, mode: :embedded)

    holders =
      for name <- @names do
        called = "keeper_of_#{name}"
        pid = Device.call(device, :"#{name}", :start, [:"#{called}"])
        Until.until(called, fn -> Device.call(device, Process, :whereis, [:"#{called}"]) end)
        text = device |> Device.call(:erlang, :pid_to_list, [pid]) |> to_string()
        {text, Device.call(device, :io_lib, :format, ["~tw", [:"#{called}"]]), name, pid}
      end

    named = Enum.sort(for {pid, who, name, _} <- holders, do: {pid, to_string(who), name})

    version(bench, ":v1")
    assert %{status: :done, notices: [{:still_running, told}]} = Workbench.push(bench, device)
    assert Enum.sort(told) == named

    version(bench, ":v2")

    for options <- [[], [dry_run?: true]] do
      outcome = Workbench.push(bench, device, options)
      assert %{status: :refused, refusals: [%Error{reason: {:held, held}}]} = outcome
      assert Enum.sort(held) == named
    end

    outcome = Workbench.push(bench, device, purge: :kill)
    assert %{status: :done, notices: [{:killed, killed} | _]} = outcome
    assert Enum.sort(killed) == named
    for {_, _, _, pid} <- holders, do: refute(Device.call(device, Process, :alive?, [pid]))

    # And in the lines that a user reads.
    report = Report.new(%Hotpush.Config{}, [outcome], %{compile: 0.0, scan: 0.0})
    lines = Enum.map_join(Report.Lines.of(report), "\n", &elem(&1, 1))

    for name <- @names do
      assert lines =~ "Successfully deployed #{name} to"
      assert lines =~ " (#{name})"
      assert Report.Document.of(report) =~ ~s("#{name}")
    end

    again(bench, device)
  end

  defp undefined?(device, module) do
    Device.call(device, module, :v, [])
    false
  rescue
    UndefinedFunctionError -> true
  end
end
