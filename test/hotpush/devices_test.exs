defmodule Hotpush.Discovery.Devices.TableTest do
  @moduledoc "The list of devices, for people and for programs."
  use ExUnit.Case, async: true

  alias Hotpush.Discovery.Devices.{Document, Row, Table}
  alias Hotpush.{Error, Plan}
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Device, LastPush}
  alias Hotpush.Report.Result
  alias Hotpush.Discovery.Found

  defp text(rows, errors \\ []), do: Enum.map_join(Table.lines(rows, errors), "\n", &elem(&1, 1))

  test "an empty list says that nothing was found" do
    assert text([]) == "No device was found, and the configuration names none."
    assert Document.of([], []) == ~s({"version":2,"ok":true,"devices":[],"errors":[]})
    error = Error.new(:usage, nil, :no_project)

    assert Document.of_error(error) =~
             ~s({"version":2,"ok":false,"devices":[],"errors":[{"kind":"no_p)
  end

  test "text from unknown devices does not control the terminal, nor leave its column" do
    evil = "a\e[2J\nb\u202E@x.local"
    row = %Row{name: evil, how: [:mdns], way: {:node, evil}, addresses: ["\r1"]}
    told = text([%{row | problems: [Error.new(:discover, evil, :no_nodes_there)]}])
    refute told =~ ~r/[\e\r\x{202E}]/u
    assert [_header, line | _] = String.split(told, "\n")
    assert line =~ "a\\e[2J\\nb\\x{202E}@x.local  \\r1"
    document = Document.of([row], [])
    refute document =~ ~r/[\e\r\n]/
    broken = <<"a", 255, "(">>
    row = %Row{name: broken, how: [:fleet], addresses: [broken], problems: []}
    assert text([%{row | problems: [Error.new(:ask, broken, {:raised, broken})]}]) =~ "a\\xFF("
    # In the lines for hotpush.toml, it stays one string.
    quote = %Row{name: ~s(a"\\b), how: [:mdns], way: {:ssh, ~s(a"\\b)}}
    assert text([quote]) =~ ~s(    ssh = "ab")
  end

  test "rows: configured devices first, with how they were found, then confirmed ones, then the rest" do
    {:ok, target} = Target.ssh("kitchen.local")
    kitchen = %Found{how: :mdns, name: "kitchen.local", host: "kitchen.local", also: [:fleet]}
    node = %Found{how: :epmd, name: "a@h", host: "h", offers: [node: "a@h"]}

    bare = %Found{
      how: :mdns,
      name: "bare.local",
      notice: Error.new(:discover, "bare.local", :no_nodes_there)
    }

    rows =
      Row.of(%{
        named: [{Target.nicknamed(target, "kitchen"), [kitchen]}],
        confirmed: [{node, {:node, "a@h"}, []}],
        unknown: [{bare, nil, nil}]
      })

    assert [
             %{nickname: "kitchen", how: [:config, :mdns, :fleet], way: {:ssh, "kitchen.local"}},
             %{name: "a@h", how: [:epmd], target: %Target{}},
             %{name: "bare.local", target: nil, problems: [_]}
           ] = rows

    device = %Device{
      otp: "27",
      elixir: "1.18.4",
      boot: {"1", 1_700_000_000_000_000_000},
      apps: %{"desk" => %{vsn: "1.2.3", running?: true, known?: true}}
    }

    plan =
      Plan.new([%Plan.Step.Load{modules: [:one, :two]}, %Plan.Step.Remove{modules: [:three]}])

    refusal = Error.new(:refusal, "kitchen", :no_elixir)
    answered = %Result{target: %Target{}, device: device, plan: plan, refusals: [refusal]}
    silent = Result.failed(%Result{}, Error.new(:connect, "a@h", {:timeout, 300}))
    targets = for %{target: target} when target != nil <- rows, do: target
    outcomes = Map.new(Enum.zip(targets, [answered, silent]))
    assert [one, two, three] = Row.answered(rows, outcomes, ["lamp", "desk"])
    assert %{state: :answered, differs: 3, app_version: "1.2.3", up_since: 1_700_000_000} = one
    assert %{state: :silent, differs: nil} = two
    bare = %{device | apps: %{"desk" => %{vsn: "", running?: false, known?: false}}}

    assert [one_bare | _] =
             Row.answered(rows, %{hd(targets) => %{answered | device: bare}}, ["desk"])

    assert %{state: :answered, app_version: nil} = one_bare
    assert text([one_bare]) =~ "kitchen.local"
    assert %{state: :listed} = three

    told = text([one, two, three])

    assert told =~
             ~r/^kitchen  config, mdns, fleet  kitchen.local  -  +27   1.18.4  1.2.3  3       2023-11-14 22:13$/m

    assert told =~ "\na@h did not complete the connection within 300 ms"
    assert told =~ "\nkitchen has no Elixir"
    assert told =~ "\nbare.local runs epmd"
    refute told =~ "LAST PUSH"
    noted = %{one | last_push: %LastPush{by: "ada@host", project: "desk 1.2.3", seconds: 720}}
    told_noted = text([noted, two])
    assert told_noted =~ ~r/ UP SINCE \(UTC\) +LAST PUSH$/m
    assert told_noted =~ ~r/22:13  ada@host 12 minutes ago$/m
    assert told_noted =~ ~r/^-.* -$/m
    assert Document.of([noted], []) =~ ~s("last_push":{"by":"ada@host","project":"desk 1.2.3",)
    # It cannot be reached, so no lines for hotpush.toml are shown.
    refute told =~ "hotpush.toml"
  end

  test "a device without its cookie is listed with the reason" do
    {:ok, target} = Target.node("a@h")
    rows = Row.of(%{named: [{target, []}], confirmed: [], unknown: []})
    error = Error.new(:usage, "hotpush.toml:1:14", {:cookie_not_set, "IT"})
    outcome = Result.failed(%Result{target: %Target{cookie_error: error}}, error)
    assert [%{state: :listed} = row] = Row.answered(rows, %{target => outcome}, [])
    told = text([row])
    assert told =~ "a@h: hotpush.toml:1:14: the environment variable IT is not set"
    refute told =~ "To add one"
    assert Document.of([row], []) =~ ~s("add":null)
  end

  test "a device that was found is named only in the table and in the lines for hotpush.toml" do
    names = for n <- 1..2, do: "h#{n}.local"
    rows = for name <- names, do: %Row{name: name, how: [:mdns], way: {:ssh, name}}
    told = text(rows)
    assert told =~ "2 devices found but neither named nor confirmed"
    for name <- names, do: assert(length(String.split(told, name)) == 3)
    assert text(Enum.take(rows, 1)) =~ "1 device found but neither"
  end

  test "other nodes of this computer have one line of their own" do
    here = for n <- 1..12, do: %Found{how: :epmd, name: "n#{n}@127.0.0.1", host: "127.0.0.1"}
    here = for one <- here, do: %{one | offers: [node: one.name]}

    there = %Found{
      how: :epmd,
      name: "a@h.example",
      host: "h.example",
      offers: [node: "a@h.example"]
    }

    {:ok, target} = Target.node("n1@127.0.0.1")
    [mine | others] = here
    unknown = for one <- others ++ [there], do: {one, {:node, one.name}, nil}
    rows = Row.of(%{named: [{target, [mine]}], confirmed: [], unknown: unknown})
    [header | _] = lines = String.split(text(rows), "\n")
    assert header =~ "DEVICE"
    assert [n1, a] = Enum.filter(lines, &(&1 =~ ~r/^- /))
    assert n1 =~ "n1@127.0.0.1" and a =~ "a@h.example"
    assert [line] = Enum.filter(lines, &(&1 =~ "n2@"))
    assert line =~ "11 other nodes of this computer, not asked: n2@127.0.0.1, "
    assert line =~ "n11@127.0.0.1 and 1 more. If one is your device, name it in hotpush.toml"
    refute text(rows) =~ ~s(node = "n)

    # What the project's own module finds is a device.
    fleet = %{mine | how: :fleet}

    assert text(Row.of(%{named: [], confirmed: [], unknown: [{fleet, {:node, mine.name}, nil}]})) =~
             ~s(node = "n1@127.0.0.1")
  end

  test "a program that is not installed is not a failure" do
    errors = [
      Error.new(:discover, :mdns, :no_native_library),
      Error.new(:discover, :epmd, {:timeout, 5})
    ]

    assert [_, {:info, missing}, {:error, late}] = Table.lines([], errors)
    assert missing =~ "mDNS is not available: it needs the native library"
    assert late =~ "the search by epmd did not answer within 5 ms"
  end
end
