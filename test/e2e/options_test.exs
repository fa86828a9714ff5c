defmodule Hotpush.OptionsTest do
  @moduledoc "What the options of the command do, and what it writes and exits with."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Hotswap, Project, Run}

  @modules for name <- ~w(Lamp Lamp.Bulb Lamp.Bulb.Wire Chair), do: "Desk." <> name

  setup_all do
    files =
      for name <- @modules, into: %{} do
        {"lib/#{Macro.underscore(name)}.ex",
         "defmodule #{name} do\n  def hi, do: 1\n  def stay(pid), do: stop(send(pid, hi()))\n" <>
           "  defp stop(_sent), do: receive(do: (:never -> hi()))\nend\n"}
      end

    files =
      Map.put(files, "src/desk_erl.erl", "-module(desk_erl).\n-export([hi/0]).\nhi() -> 1.\n")

    project = Project.new(app: :desk, files: files, config: "import Config\n")
    %{project: project, device: Device.start(release: Project.release(project))}
  end

  # What other tests left is none of a test's business.
  setup %{project: project, device: device} do
    push!(project, device, ["--purge", "kill"])
    :ok
  end

  test "--module takes names of every form, and what is under a name", context do
    %{project: project, device: device} = context
    next(project)
    assert deployed(push!(project, device, ["--module", "Desk.Chair"])) == ["Elixir.Desk.Chair"]
    args = ["--module", "Elixir.Desk.Lamp", "--module", ":desk_erl", "--module", "Desk.Chair"]
    assert deployed(push!(project, device, args)) == ["Elixir.Desk.Lamp", "desk_erl"]
    under = ["--module", "Desk.Lamp.*"]

    assert deployed(push!(project, device, under)) == [
             "Elixir.Desk.Lamp.Bulb",
             "Elixir.Desk.Lamp.Bulb.Wire"
           ]

    again(project, device, under)
    again(project, device)
  end

  test "a module or an application that is not there, with what was meant", context do
    %{project: project, device: device} = context
    next(project)
    {output, status} = push(project, device, ["--module", "Desk.Chiar"])
    assert {status, output} == {2, output}
    assert output =~ "no module of this project is named Desk.Chiar. Did you mean Desk.Chair?"
    {output, 2} = push(project, device, ["--module", "Nothing.*"])
    assert output =~ "no module of this project is named Nothing.*."
    {output, 2} = push(project, device, ["--app", "dsek"])
    assert output =~ "no application of this project is named dsek. Did you mean desk?"
    assert length(deployed(push!(project, device, ["--app", "desk"]))) == 5
    again(project, device)
  end

  test "--all pushes what does not differ", %{project: project, device: device} do
    output = push!(project, device, ["--all"])
    assert length(deployed(output)) >= 5
    assert "Elixir.Desk.Lamp" in deployed(output)
    again(project, device)
  end

  test "--docs sends documentation along: to what has it, that is a difference", context do
    %{project: project, device: device} = context
    push!(project, device, ["--all"])
    deployed = deployed(push!(project, device, ["--docs"]))
    assert Enum.map(@modules, &("Elixir." <> &1)) -- deployed == []
    refute "desk_erl" in deployed
    again(project, device, ["--docs"])
  end

  test "--dry-run says what would be done, and changes nothing", context do
    %{project: project, device: device} = context
    answer = next(project)
    output = push!(project, device, ["--dry-run"])
    assert length(planned(output)) == 5
    assert output =~ "Would deploy desk_erl to #{device.node} (its code differs)"
    assert output =~ "nothing was changed there (--dry-run)"
    refute output =~ "Successfully d"
    assert Device.eval(device, "Desk.Lamp.hi()") == answer - 1
    assert length(deployed(push!(project, device))) == 5
    assert Device.eval(device, "Desk.Lamp.hi()") == answer
    again(project, device)
  end

  test "a process in old code is named and refused, and ended by --purge kill", context do
    %{project: project, device: device} = context
    next(project)
    push!(project, device)

    Device.spawn(device, """
    Process.register(self(), :"stuck\\e[2J")
    Desk.Lamp.stay(self())
    """)

    Hotpush.Test.Until.until("a process in Desk.Lamp", fn ->
      Device.eval(device, """
      pid = Process.whereis(:"stuck\\e[2J")
      pid && Process.info(pid, :current_function) == {:current_function, {Desk.Lamp, :stop, 1}}
      """)
    end)

    next(project)
    output = push!(project, device)

    assert output =~
             ~r/note: .*still run the replaced code: <[\d.]+> "'stuck\\e\[2J'" \(Elixir.Desk.Lamp\)/

    next(project)

    for args <- [[], ["--dry-run"], ["--force"], ["--purge", "soft"]] do
      {output, status} = push(project, device, args)
      assert {status, output} == {1, output}
      assert output =~ ~r/refused: processes on .*<[\d.]+> "'stuck\\e\[2J'" \(Elixir.Desk.Lamp\)/
      assert output =~ "--purge kill"
      refute output =~ "\e"
      refute output =~ "Successfully d"
    end

    output = push!(project, device, ["--purge", "kill", "--dry-run"])
    assert output =~ ~r/note: --purge kill would end on .*'stuck/
    assert is_pid(Device.eval(device, ~S|Process.whereis(:"stuck\e[2J")|))

    output = push!(project, device, ["--purge", "kill"])
    assert output =~ ~r/note: --purge kill ended on .*'stuck/
    assert Device.eval(device, ~S|Process.whereis(:"stuck\e[2J")|) == nil
    again(project, device)
  end

  test "--quiet says what went wrong, --verbose says why", context do
    %{project: project, device: device} = context
    next(project)
    Project.mix!(project, ["compile"])
    output = push!(project, device, ["--verbose", "--module", "Desk.Chair"])
    assert output =~ "  Elixir.Desk.Chair: its code differs"
    assert output =~ ~r/  compile .*, scan .*, connect .*, ask .*, send .*, load .* ms/
    assert push!(project, device, ["--quiet"]) == ""
    again(project, device)
    {output, 1} = push(project, %{device | node: :"nobody@127.0.0.1"}, ["--quiet"])
    assert output =~ "failed: nobody@127.0.0.1"
  end

  test "one that is down costs only itself", %{project: project, device: device} do
    next(project)

    {output, errors, status} =
      run_apart(
        project,
        ["--node", "nobody@127.0.0.1", "--node", to_string(device.node)],
        %{"HOTPUSH_COOKIE" => to_string(device.cookie)},
        [to_string(device.cookie)]
      )

    assert status == 1
    assert length(deployed(output)) == 5
    assert errors =~ "failed: nobody@127.0.0.1: the epmd at 127.0.0.1 does not know this name"
    assert errors =~ to_string(device.node) |> String.split("@") |> hd()
    again(project, device)
  end

  test "a device that hangs is given up in time", %{project: project, device: device} do
    Device.freeze(device)
    {output, status} = push(project, device, ["--timeout", "300"])
    Device.thaw(device)
    assert {status, output} == {1, output}
    assert output =~ "#{device.node} did not"
    assert output =~ "within 300 ms"
    again(project, device)
  end

  test "without the native library it is the same", %{project: project, device: device} do
    off = %{"HOTPUSH_NATIVE" => "off"}
    next(project)
    args = ["--json", "-", "--module", "Desk.Chair", "--module", "Desk.Lamp"]
    dry = List.last(String.split(push!(project, device, ["--dry-run" | args]), "\n", trim: true))
    output = push!(project, device, ["--dry-run" | args], off)
    assert List.last(String.split(output, "\n", trim: true)) |> untimed() == untimed(dry)
    assert length(deployed(push!(project, device, [], off))) == 5
    again(project, device)
    again(project, device, [], off)
  end

  describe "--json" do
    @describetag :jsonschema

    test "on standard output is the last line, as its schema has it", context do
      %{project: project, device: device} = context
      answer = next(project)
      node = to_string(device.node)

      document = json_of(project, device, ["--dry-run"], 0)
      assert %{"ok" => true, "dry_run" => true, "devices" => [told]} = document
      assert %{"version" => 2} = document
      assert %{"name" => ^node, "transport" => "distribution", "node" => ^node} = told
      assert %{"destination" => ^node, "status" => "planned", "loaded" => []} = told
      assert told["round_trips"] == 1
      assert %{"load" => [%{"reason" => "code", "app" => "desk"} | _]} = told["planned"]
      assert Device.eval(device, "Desk.Lamp.hi()") == answer - 1

      Project.write(project, "lib/fresh.ex", "defmodule Fresh do\nend\n")
      assert %{"ok" => true, "devices" => [told]} = json_of(project, device, [], 0)
      assert %{"status" => "done", "added" => ["Elixir.Fresh"], "round_trips" => 2} = told
      assert length(told["loaded"]) == 5
      assert told["bytes"]["sent"] > 1_000
      assert told["ms"]["load"] > 0

      Project.delete(project, "lib/fresh.ex")
      assert %{"devices" => [told]} = json_of(project, device, [], 0)
      assert %{"deleted" => ["Elixir.Fresh"], "loaded" => [], "added" => []} = told

      assert %{"devices" => [told]} = json_of(project, device, ["--quiet"], 0)
      assert %{"status" => "done", "loaded" => [], "deleted" => [], "round_trips" => 1} = told
      assert told["unchanged"] >= 5

      document = json_of(project, %{device | node: :"nobody@127.0.0.1"}, [], 1)
      assert %{"ok" => false, "devices" => [%{"status" => "failed"} = told]} = document
      assert [%{"kind" => "not_registered", "message" => _}] = told["failed"]

      document = json_of(project, device, ["--module", "Desk.Chiar"], 2)
      assert %{"ok" => false, "error" => %{"kind" => "no_such_module"}} = document
      document = json_of(project, device, ["--purge", "some"], 2)
      assert %{"ok" => false, "error" => %{"subject" => "--purge"}} = document
      document = json_of(project, device, ["--colour"], 2)
      assert %{"ok" => false, "error" => %{"subject" => "--colour"}} = document
    end

    test "in a file, also of a refusal; where it cannot be written, that is said", context do
      %{project: project, device: device} = context
      path = Path.join(Run.dir("json"), "report.json")
      other = Project.new(app: :other, files: %{"lib/other.ex" => "defmodule Other do\nend\n"})
      {output, 1} = push(other, device, ["--json", path])
      assert output =~ "refused: #{device.node} runs none of this project's applications (other)"
      assert %{"ok" => false, "devices" => [%{"status" => "refused"} = told]} = json(path)
      assert [%{"kind" => "other_project"}] = told["refused"]
      assert %{"load" => [%{"reason" => "new"}]} = told["planned"]

      {output, 2} = push(project, device, ["--json", "/nonexistent/report.json"])
      assert output =~ "--json could not write /nonexistent/report.json: no such file"
    end
  end

  # Each edit is another answer, on every module.
  defp next(project) do
    old = File.read!(Path.join(project.dir, "src/desk_erl.erl"))
    [answer] = Regex.run(~r/\d+(?=\.\n\z)/, old)
    new = to_string(String.to_integer(answer) + 1)
    Project.edit(project, "src/desk_erl.erl", "-> #{answer}.", "-> #{new}.")

    for name <- @modules do
      path = Path.join(project.dir, "lib/#{Macro.underscore(name)}.ex")
      File.write!(path, String.replace(File.read!(path), "hi, do: #{answer}", "hi, do: #{new}"))
    end

    String.to_integer(new)
  end

  defp json_of(project, device, args, status) do
    {output, _errors, ^status} =
      run_apart(
        project,
        ["--node", to_string(device.node), "--json", "-" | args],
        %{"HOTPUSH_COOKIE" => to_string(device.cookie)},
        [to_string(device.cookie)]
      )

    path = Path.join(Run.dir("json"), "document")
    File.write!(path, output |> String.split("\n", trim: true) |> List.last())
    Hotswap.json(path)
  end

  defp untimed(document),
    do: String.replace(document, ~r/"(ms|bytes)":\{[^}]*\}|"seconds_ago":\d+/, "")
end
