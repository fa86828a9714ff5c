defmodule Hotpush.NamingTest do
  @moduledoc "All messages call a device by the same name."
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error}
  alias Hotpush.Config.{Target, Toml}
  alias Hotpush.Report.Result
  alias Hotpush.Report.Lines
  alias Hotpush.Config.Toml.Selection

  @here %{user: nil, host: "a.local", port: nil}

  defp target(target), do: hd(Hotpush.Transport.Targets.list(%Config{targets: [target]}, "state"))

  defp said(target, subject, reason) do
    outcome = Result.failed(%Result{target: target(target)}, Error.new(:connect, subject, reason))

    report = Hotpush.Report.new(%Config{}, [outcome], %{compile: 1.0, scan: 1.0})
    [{:error, "failed: " <> text}] = Lines.of(report)
    text
  end

  defp dist(name, nickname \\ nil), do: named(Target.node(name), nickname)
  defp ssh(address, nickname \\ nil), do: named(Target.ssh(address), nickname)
  defp named({:ok, target}, nickname), do: Target.nicknamed(target, nickname)

  test "a device is called by its nickname, followed by its address" do
    assert "porch (a@b) answers, but" <> _ = said(dist("a@b", "porch"), :a@b, :handshake_refused)
    assert "porch (a@b) did not" <> _ = said(dist("a@b", "porch"), "porch", {:timeout, 5})
    assert "a@b answers, but" <> _ = said(dist("a@b"), :a@b, :handshake_refused)

    {:ok, adb} = Target.adb("R5")

    assert said(adb, "R5CT", {:adb_state, :recovery}) =~
             ~r/\AR5 \(R5CT\) is in .*adb -s R5CT reboot/

    phone = Target.nicknamed(adb, "phone")
    assert said(phone, "R5CT", {:adb_state, :recovery}) =~ ~r/\Aphone \(R5CT\) is .*adb -s R5CT r/
    assert "phone (R5): adb knows no" <> _ = said(phone, "R5", {:adb_no_device, [], []})
    assert said(phone, :a@b, :handshake_refused) =~ "phone (a@b) answers, but"
  end

  test "a host's name appears once" do
    for kind <-
          ~w(unresolved port_refused no_route no_answer exec_disabled key_refused)a ++
            ~w(password_needed too_many_keys host_key_not_confirmed)a do
      assert said(ssh("a.local"), "a.local", {kind, @here}) =~ ~r/\Aa.local(?!.*a\.local)/
      assert said(ssh("a.local", "me"), "me", {kind, @here}) =~ ~r/\Ame \(a.local\)(?!.*a\.local)/
    end
  end

  test "the output of a device without Elixir is quoted" do
    assert said(ssh("a.local"), "a.local", {:not_elixir, @here, "sh: Syntax error"}) =~
             ~s(but says: "sh: Syntax error". Does it)
  end

  test "a host that may be a node" do
    me = %{@here | user: "toaster"}

    for kind <- ~w(unresolved port_refused key_refused host_key_unknown hung_up)a do
      assert said(ssh("toaster@a.local"), "toaster@a.local", {kind, me}) =~
               "(If it is the name of a node, use --node toaster@a.local.)"

      refute said(ssh("toaster@a.local", "x"), "x", {kind, me}) =~ "--node"
      refute said(ssh("a.local"), "a.local", {kind, @here}) =~ "--node"
    end
  end

  test "a host that does not resolve, and resembles a nickname" do
    settings = %Toml{shown: "hotpush.toml", devices: [ssh("k.local", "kitchen")]}
    {:ok, [target]} = Selection.targets([{:host, "kichten"}], settings)
    lost = %{@here | host: "kichten"}
    assert said(target, "kichten", {:unresolved, lost}) =~ ~r/ Did you mean kitchen\?\z/
    refute said(target, "kichten", {:no_answer, lost}) =~ "kitchen"
    # With --ssh, also a nickname itself is a host.
    for name <- ["kichten", "kitchen", "root@kitchen"] do
      {:ok, [target]} = Selection.targets([{:ssh, name}], settings)
      lost = %{@here | host: "kitchen"}
      assert said(target, name, {:unresolved, lost}) =~ "Did you mean --device kitchen?"
    end

    {:ok, [target]} = Selection.targets([{:host, "example.org"}], settings)
    refute said(target, "example.org", {:unresolved, lost}) =~ "Did you mean"
  end
end
