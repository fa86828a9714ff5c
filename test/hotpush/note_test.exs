defmodule Hotpush.NoteTest do
  @moduledoc """
  A push notes on the device who pushed, so that nobody replaces somebody else's work without knowing it.
  Over distribution and ssh.
  """
  use ExUnit.Case, async: false

  alias Hotpush.{Config, Report}
  alias Hotpush.Protocol.{Agents, LastPush, Question}
  alias Hotpush.Report.{Document, Lines}
  alias Hotpush.Test.{Device, Hotswap, Run, SshDevice, Workbench}
  doctest LastPush

  defp source(version), do: "defmodule Desk.Plain do\n  def v, do: #{version}\nend\n"

  defp start(:dist, bench) do
    device = Workbench.device(bench, mode: :embedded)
    {device, &Workbench.push(bench, device, &1)}
  end

  defp start(:ssh, bench) do
    ssh = Workbench.ssh_device(bench, mode: :embedded)
    target = Workbench.target(bench, ssh)

    {ssh.device,
     &SshDevice.with_path(ssh, fn -> hd(Workbench.push_targets(bench, [target], &1)) end)}
  end

  defp noted(device), do: Device.call(device, :application, :get_env, [:hotpush_note, :last_push])

  defp note(device, term),
    do: Device.call(device, :application, :set_env, [:hotpush_note, :last_push, term])

  defp ago(device, note, seconds) do
    now = Device.call(device, :erlang, :monotonic_time, [:second])
    note(device, {LastPush.encode(note), now - seconds})
  end

  defp text(outcome) do
    lines = Lines.of(Report.new(%Config{}, [outcome], %{compile: 0.0, scan: 0.0}))
    Enum.map_join(lines, "\n", &elem(&1, 1))
  end

  defp json(outcome) do
    path = Path.join(Run.dir("json"), "report.json")
    File.write!(path, Document.of(Report.new(%Config{}, [outcome], %{compile: 0.0, scan: 0.0})))
    hd(Hotswap.json(path)["devices"])
  end

  for way <- [:dist, :ssh] do
    test "a push that replaces somebody else's work says whose it is (#{way})" do
      bench = Workbench.new(:desk, source(1))
      {device, push} = start(unquote(way), bench)
      ada = [who: "ada@host"]
      bob = [who: "bob@host"]

      # Nothing differs, so nothing is noted.
      assert %{status: :done, round_trips: 1} = push.(ada)
      assert noted(device) == :undefined

      for version <- [2, 3] do
        Workbench.write(bench, source(version))
        outcome = push.(ada)
        assert %{status: :done, round_trips: 2, notices: notices} = outcome
        assert notices == [] or [:purged] == Keyword.keys(notices)
        if version == 2, do: assert(json(outcome)["last_push"] == nil)
      end

      # A push that has nothing to do, and a dry run, write no note.
      {:ok, note} = noted(device)
      assert %{round_trips: 1, notices: []} = push.(bob)
      Workbench.write(bench, source(4))
      dry = push.([dry_run?: true] ++ bob)

      assert text(dry) =~
               ~r/was last pushed by ada@host \d+ seconds? ago \("desk 0.1.0", build \w{8}\)/

      assert noted(device) == {:ok, note}

      outcome = push.(bob)
      assert %{status: :done, round_trips: 2} = outcome
      assert text(outcome) =~ ~r/was last pushed by ada@host \d+ seconds? ago/
      assert %{"by" => "ada@host", "project" => "desk 0.1.0"} = json(outcome)["last_push"]
      assert %{"kind" => "last_push"} = hd(json(outcome)["notices"])

      # Again: nothing to do, and the answer says who pushed last.
      assert %{round_trips: 1, notices: [], device: %{last_push: last}} = push.(ada)
      assert %LastPush{by: "bob@host", project: "desk 0.1.0"} = last
      assert Device.agents(device) == []
    end
  end

  describe "on one device" do
    setup do
      bench = Workbench.new(:desk, source(1))
      %{bench: bench, device: Workbench.device(bench, mode: :embedded)}
    end

    test "note: false and a push that fails leave no note", %{bench: bench, device: device} do
      Workbench.write(bench, source(2))
      assert %{status: :done, round_trips: 2} = Workbench.push(bench, device, note?: false)
      assert noted(device) == :undefined

      Workbench.write(bench, source(3))

      Workbench.write_erlang(
        bench,
        "-module(desk_starter).\n-on_load(go/0).\ngo() -> {error, no}.\n"
      )

      assert %{status: :failed, notices: notices} = Workbench.push(bench, device)
      refute List.keymember?(notices, :not_noted, 0)
      assert noted(device) == :undefined

      Workbench.remove(bench, :desk_starter)
      Workbench.put(bench, Desk.Plain, "no beam")
      assert %{status: :failed} = Workbench.push(bench, device)
      assert noted(device) == :undefined
    end

    test "a push without a note removes that of an earlier push", context do
      %{bench: bench, device: device} = context
      Workbench.write(bench, source(2))
      assert %{status: :done} = Workbench.push(bench, device, who: "ada@host")
      Workbench.write(bench, source(3))
      again = Workbench.push(bench, device, who: "bob@host", note?: false)
      assert %{status: :done, round_trips: 2} = again
      assert text(again) =~ "was last pushed by ada@host"
      assert noted(device) == :undefined
      Workbench.write(bench, source(4))
      refute bench |> Workbench.push(device, who: "eve@host") |> text() =~ "last pushed"
    end

    test "its age comes from the device's monotonic time, whatever its clock says", context do
      %{bench: bench, device: device} = context
      note = %LastPush{by: "ada@host", project: "desk 0.1.0", build: "0123abcd", folder: "f"}
      ago(device, note, 725)
      Workbench.write(bench, source(2))
      outcome = Workbench.push(bench, device, who: "bob@host")
      says = ~s|was last pushed by ada@host 12 minutes ago ("desk 0.1.0", build 0123abcd)|
      assert text(outcome) =~ says
      assert json(outcome)["last_push"]["seconds_ago"] in 725..780

      # The same person, but not the same code.
      ago(device, note, 7_300)
      Workbench.write(bench, source(3))
      outcome = Workbench.push(bench, device, who: "ada@host")
      assert text(outcome) =~ "by ada@host 2 hours ago from another folder ("
    end

    test "any other value in its place does no harm", %{bench: bench, device: device} do
      odd = %LastPush{by: "\e[2J$(touch x)", project: "`x`\n", build: "$(b)", folder: "f"}
      ago(device, odd, 1)
      Workbench.write(bench, source(2))
      outcome = Workbench.push(bench, device, who: "bob@host")
      assert text(outcome) =~ ~S|was last pushed by "\e[2J$(touch x)" |
      assert text(outcome) =~ ~S|("`x`\n", build "$(b)")|
      refute text(outcome) =~ "\e"

      for term <- [:x, {"no note", 0}, {String.duplicate("x", 2_000), 0}, {"x", :y}, {1, 2, 3}] do
        note(device, term)
        assert %{status: :done, notices: [], device: device} = Workbench.push(bench, device)
        assert device.last_push == nil
      end

      # A note has a bounded size, and can be shown.
      Workbench.write(bench, source(3))
      Workbench.push(bench, device, who: String.duplicate("\eä", 500) <> <<255>>)
      {:ok, {binary, _}} = noted(device)
      assert byte_size(binary) < 600
      assert %LastPush{by: "\\eä\\e" <> _} = LastPush.decode({binary, 0})
    end
  end

  test "a device without Elixir keeps a note, too, and needs nothing else for it" do
    device = Device.start(erlang_only: true)
    work = %{steps: [note: "who"], purge: :soft, force: false, patience: 5_000}
    {m, f, a} = Question.transact(Agents.run(work), :run, work, "ada@host")
    assert {:done, %{steps: [note: :noted], error: :none}} = Device.call(device, m, f, a)
    assert {:ok, {"who", _}} = noted(device)
    assert Device.agents(device) == []
  end
end
