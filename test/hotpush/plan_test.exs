defmodule Hotpush.PlanTest do
  @moduledoc """
  What is loaded, removed and refused. Without it, a push could do what it has to refuse.
  """
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error, Plan, Project}
  alias Hotpush.Project.Inventory
  alias Hotpush.Plan.Step.{Load, Note}
  alias Hotpush.Protocol.{Device, LastPush}
  alias Hotpush.Scanner.Portable

  @host %{otp: "27", elixir: "1.18.3"}

  defp entry(name, content) do
    md5 = :erlang.md5(content)

    %{
      dir: 0,
      path: "#{name}.beam",
      module: name,
      md5: md5,
      bare_md5: md5,
      line_md5: "",
      digest: :erlang.md5(content) <> :erlang.md5("digest" <> content),
      size: 1
    }
  end

  # modules: [{name, app, kind, content}]
  defp inventory(modules, options \\ []) do
    apps =
      for {app, kind} <-
            Enum.uniq(for {_, app, kind, _} <- modules, kind != :elixir, do: {app, kind}),
          do: %Project.App{name: app, kind: kind}

    beams =
      for {name, app, kind, content} <- modules, into: %{} do
        beam = %Inventory.Beam{module: name, app: app, kind: kind, entry: entry(name, content)}
        {name, beam}
      end

    struct!(%Inventory{beams: beams, apps: apps, target: :host}, options)
  end

  # modules: [{name, app, content}]
  defp device(modules, options \\ []) do
    apps =
      for {_, app, _} <- modules,
          into: %{},
          do: {to_string(app), %{vsn: "1", running?: true, known?: true}}

    modules =
      for {name, app, content} <- modules, into: %{} do
        md5 = binary_part(:erlang.md5(content), 0, 10)
        {name, %Device.Module{name: name, app: to_string(app), md5: md5, loaded?: true}}
      end

    struct!(
      %Device{otp: "27", elixir: "1.18.1", mode: :embedded, apps: apps, modules: modules},
      options
    )
  end

  defp plan(inventory, device, scope \\ :all, config \\ %Config{}) do
    entries = for {_, beam} <- inventory.beams, do: beam.entry
    diff = Portable.diff(entries, Device.answers(device))
    Plan.build("a@b", inventory, device, diff, scope, config, @host)
  end

  defp reasons(plan), do: Enum.map(plan.refusals, & &1.reason)

  test "if docs are pushed too, a module with the same code may differ only in its docs" do
    for {docs?, reason} <- [{false, :lines}, {true, :lines_or_docs}] do
      inventory = inventory([{"Elixir.A", :desk, :own, "a"}], docs?: docs?)
      device = device([{"Elixir.A", :desk, "a"}])
      device = put_in(device.modules["Elixir.A"].stamp, "another")
      assert [%{reason: ^reason}] = plan(inventory, device).load
    end
  end

  test "nothing differs" do
    plan = plan(inventory([{"a", :own, :own, "1"}]), device([{"a", :own, "1"}]))
    assert %{load: [], remove: [], refusals: [], checked: 1, unchanged: 1} = plan
    assert Plan.empty?(plan)
  end

  test "a push notes who pushed if it changes something and the config does not forbid it" do
    device = device([{"a", :own, "1"}], last_push: %LastPush{by: "ada@host", folder: "one"})
    config = %Config{who: "ada@host"}
    mine = &inventory([{"a", :own, :own, &1}], folder: &2)
    last = fn plan -> List.keyfind(plan.notices, :last_push, 0) end

    assert [%Load{}, %Note{note: note}] = plan(mine.("2", "one"), device, :all, config).steps
    assert %{by: "ada@host", project: "own", folder: "one"} = note
    assert note.build != LastPush.new(config, mine.("3", "one")).build
    assert last.(plan(mine.("2", "one"), device, :all, config)) == nil

    assert last.(plan(mine.("2", "two"), device, :all, config)) ==
             {:last_push, device.last_push, true}

    assert {:last_push, _, false} =
             last.(plan(mine.("2", "one"), device, :all, %Config{who: "b@h"}))

    assert %{steps: [], notices: []} = plan(mine.("1", "two"), device, :all, config)
    # Without a note, that of an earlier push is removed.
    without = %{config | note?: false}
    assert [%Load{}, %Note{note: nil}] = plan(mine.("2", "one"), device, :all, without).steps
    assert [%Load{}] = plan(mine.("2", "one"), %{device | last_push: nil}, :all, without).steps
  end

  test "a changed callback module of a running application is a notice" do
    mine = [{"Elixir.A", :desk, :own, "2"}, {"Elixir.B", :desk, :own, "2"}]
    inventory = inventory(mine)
    inventory = %{inventory | apps: Enum.map(inventory.apps, &%{&1 | mod: A})}
    device = device([{"Elixir.A", :desk, "1"}, {"Elixir.B", :desk, "1"}])
    assert plan(inventory, device).notices == [{:start_not_run, ["Elixir.A"]}]

    for device <- [
          # It is not running.
          put_in(device.apps["desk"].running?, false),
          # Only B differs; with --all, A is loaded, but has not changed.
          device([{"Elixir.A", :desk, "2"}, {"Elixir.B", :desk, "1"}])
        ],
        config <- [%Config{}, %Config{all?: true}],
        do: assert(plan(inventory, device, :all, config).notices == [])
  end

  test "changed, new and gone" do
    mine = [{"a", :own, :own, "2"}, {"b", :own, :own, "1"}, {"c", :lib, :dep, "1"}]
    theirs = [{"a", :own, "1"}, {"c", :lib, "1"}, {"d", :lib, "1"}, {"e", :stranger, "1"}]
    plan = plan(inventory(mine), device(theirs))
    assert [%{module: "a", reason: :code}, %{module: "b", reason: :new}] = plan.load
    assert [%{module: "d", app: :lib, reason: :gone}] = plan.remove
    assert %{checked: 3, unchanged: 1} = plan
  end

  test "with selected modules, nothing is removed, and only those are counted" do
    mine = [{"a", :own, :own, "2"}, {"b", :own, :own, "2"}]
    theirs = [{"a", :own, "1"}, {"b", :own, "1"}, {"d", :own, "1"}]
    plan = plan(inventory(mine), device(theirs), MapSet.new(["b"]))
    assert %{load: [%{module: "b"}], remove: [], checked: 1, unchanged: 0} = plan
  end

  test "a module with a broken file does not count as deleted" do
    broken = inventory([{"a", :own, :own, "1"}], broken: MapSet.new(["b"]))
    assert plan(broken, device([{"a", :own, "1"}, {"b", :own, "1"}])).remove == []
  end

  test "development dependencies are a notice if they differ, and ignored if they are new" do
    mine = [{"a", :own, :own, "1"}, {"d", :tool, :dev, "2"}, {"e", :other, :dev, "1"}]
    plan = plan(inventory(mine), device([{"a", :own, "1"}, {"d", :tool, "1"}]))
    assert %{load: [], notices: [{:stale_dev, "tool", ["d"]}], checked: 1} = plan
  end

  test "Elixir's protocols are replaced if the device has them, and never added" do
    mine = [{"a", :own, :own, "1"}, {"P", :elixir, :elixir, "2"}, {"Q", :elixir, :elixir, "2"}]
    plan = plan(inventory(mine), device([{"a", :own, "1"}, {"P", :"", "1"}]))
    assert [%{module: "P", app: :elixir}] = plan.load
    assert plan.checked == 2
  end

  test "an application that the device does not have is a notice" do
    mine = [{"a", :own, :own, "1"}, {"n", :fresh, :dep, "1"}]
    fresh = device([{"a", :own, "1"}])
    fresh = put_in(fresh.apps["fresh"], %{vsn: "", running?: false, known?: false})
    assert {:new_app, "fresh"} in plan(inventory(mine), fresh).notices
  end

  test "--all also loads what does not differ, except modules with loaded native code" do
    mine = inventory([{"a", :own, :own, "1"}, {"n", :own, :own, "1"}])

    plan =
      plan(mine, device([{"a", :own, "1"}, {"n", :own, "1"}], nifs: ["n"]), :all, %Config{
        all?: true
      })

    assert [%{module: "a", reason: :forced}] = plan.load
    assert plan.notices == [{:nif_skipped, ["n"]}]
    assert plan.refusals == []
  end

  describe "refuses" do
    @mine [{"a", :own, :own, "2"}]
    @theirs [{"a", :own, "1"}]

    defp both(device_options, config \\ %Config{}) do
      plan = plan(inventory(@mine), device(@theirs, device_options), :all, config)
      Enum.each(plan.refusals, &assert(Error.message(&1) =~ "a@b"))
      reasons(plan)
    end

    test "an older OTP, also when forced" do
      assert both(otp: "26") == [{:otp_older, "27", "26"}]
      assert both([otp: "26"], %Config{force?: true}) == [{:otp_older, "27", "26"}]
      assert both(otp: "28") == []
    end

    test "another minor version of Elixir, unless forced" do
      assert both(elixir: "1.17.3") == [{:elixir_differs, "1.18.3", "1.17.3"}]
      assert both([elixir: "1.17.3"], %Config{force?: true}) == []
      assert both(elixir: "1.18.0-dev") == []
    end

    test "a device without Elixir" do
      assert both(elixir: nil) == [:no_elixir]
      assert both([elixir: nil], %Config{force?: true}) == [:no_elixir]
    end

    test "by the firmware's metadata rather than by its code" do
      refused = fn device, target ->
        plan = plan(inventory(@mine, target: target), device(@theirs, device))
        for {:target_differs, _, built_for} <- reasons(plan), do: built_for
      end

      rpi4 = [platform: "rpi4", target: "rpi4"]
      assert {refused.(rpi4, :rpi4), refused.(rpi4, :host)} == {[], ["rpi4"]}
      assert refused.(rpi4, :rpi3) == ["rpi4"]

      # A custom system, based on another one's platform.
      kiosk = [platform: "rpi4", target: "kiosk"]
      assert {refused.(kiosk, :kiosk), refused.(kiosk, :host)} == {[], ["kiosk"]}

      # A build for the host was once forced onto it.
      fooled = [platform: "rpi4", target: "host"]
      assert {refused.(fooled, :rpi4), refused.(fooled, :host)} == {[], ["rpi4"]}
      assert refused.(fooled, :rpi3) == ["rpi4"]
    end

    test "another build target, and with --force removes nothing there" do
      assert both(target: "rpi3") == [{:target_differs, :host, "rpi3"}]
      theirs = device(@theirs ++ [{"gone", :own, "1"}], target: "rpi3")
      plan = plan(inventory(@mine), theirs, :all, %Config{force?: true})
      assert %{refusals: [], remove: [], load: [_]} = plan
      assert both(target: "host") == []
    end

    test "a device of another project, unless forced" do
      theirs = device([{"x", :other, "1"}])
      assert [{:other_project, ["own"], ["other"]}] = reasons(plan(inventory(@mine), theirs))
      # Other refusals would only follow from this one.
      more = device([{"x", :other, "1"}], target: "rpi3", elixir: "1.2.0")
      assert [{:other_project, _, _}] = reasons(plan(inventory(@mine), more))
      forced = plan(inventory(@mine), theirs, :all, %Config{force?: true})
      assert %{refusals: [], load: [%{module: "a", reason: :new}]} = forced
    end

    test "what would kill a process, unless --purge kill is given" do
      old = [{"<0.1.0>", "looper", "a"}, {"<0.2.0>", "x", "not_in_the_batch"}]
      assert both(old: old) == [{:held, [{"<0.1.0>", "looper", "a"}]}]
      assert both([old: old], %Config{purge: :kill}) == []
    end

    test "nothing with --purge kill, but a dry run names the processes that it would end" do
      old = [{"<0.1.0>", "looper", "a"}, {"<0.2.0>", "x", "not_in_the_batch"}]
      notices = &plan(inventory(@mine), device(@theirs, old: old), :all, &1).notices
      kill = %Config{purge: :kill, dry_run?: true}
      assert notices.(kill) == [{:would_kill, [{"<0.1.0>", "looper", "a"}]}]
      assert notices.(%{kill | dry_run?: false}) == []
      assert notices.(%{kill | purge: :soft}) == []
    end

    test "native code that is loaded, unless forced" do
      assert both(nifs: ["a", "z"]) == [{:nif_loaded, ["a"]}]
      assert both([nifs: ["a"]], %Config{force?: true}) == []
    end

    test "a protocol that would gain an implementation that is not pushed" do
      beams = [{"Elixir.P", :own, :own, "2"}, {"Elixir.P.New", :own, :own, "1"}]
      mine = inventory(beams, dispatched: %{"Elixir.P" => ["Elixir.P.New"]})
      theirs = device([{"Elixir.P", :own, "1"}])
      gains = [{:protocol_gains, "Elixir.P", ["Elixir.P.New"]}]
      narrowed = MapSet.new(["Elixir.P"])

      # It is not refused if the implementation is pushed, is on the device, or is already dispatched to.
      assert reasons(plan(mine, theirs)) == []
      assert reasons(plan(mine, theirs, narrowed)) == gains
      assert reasons(plan(mine, theirs, narrowed, %Config{force?: true})) == []
      there = device([{"Elixir.P", :own, "1"}, {"Elixir.P.New", :own, "0"}])
      assert reasons(plan(mine, there, narrowed)) == []
      knows = device([{"Elixir.P", :own, "1"}], impls: [{"Elixir.P", ["Elixir.New"]}])
      assert reasons(plan(mine, knows, narrowed)) == []

      # If the device does not have the struct either, there are no values of it.
      struct = inventory(beams ++ [{"Elixir.New", :own, :own, "1"}], dispatched: mine.dispatched)
      assert reasons(plan(struct, theirs, narrowed)) == []
      assert reasons(plan(struct, theirs, MapSet.put(narrowed, "Elixir.New"))) == gains

      # This cannot be known for an application that was left out, and does not matter for a tool.
      alone = inventory([hd(beams)], dispatched: mine.dispatched)
      assert reasons(plan(alone, theirs)) == []
      left_out = %{alone | siblings: MapSet.new(["Elixir.P.New", "Elixir.New"])}
      assert reasons(plan(left_out, theirs)) == gains
    end

    test "a protocol that would lose an implementation that the device keeps" do
      mine = [{"Elixir.P", :own, :own, "2"}, {"Elixir.P.Elixir.Known", :own, :own, "1"}]
      impls = [{"Elixir.P", ["Elixir.Known", "Elixir.Lost", "Elixir.Integer"]}]
      theirs = [{"Elixir.P", :own, "1"}]
      system = MapSet.new(["Elixir.P.Integer"])
      mine = put_in(inventory(mine).system, system)
      mine = put_in(mine.beams["Elixir.P.Known"], mine.beams["Elixir.P.Elixir.Known"])
      lost = {:protocol_loses, "Elixir.P", ["Elixir.P.Lost"]}
      assert lost in reasons(plan(mine, device(theirs, impls: impls)))

      # An implementation that the push removes is not lost.
      theirs = theirs ++ [{"Elixir.P.Lost", :own, "1"}]
      plan = plan(mine, device(theirs, impls: impls))
      assert "Elixir.P.Lost" in Enum.map(plan.remove, & &1.module)
      refute Enum.any?(reasons(plan), &match?({:protocol_loses, _, _}, &1))
    end
  end
end
