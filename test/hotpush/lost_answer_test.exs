defmodule Hotpush.LostAnswerTest do
  @moduledoc """
  The device carried out the push, or did not, and its answer never came: the report then says what it
  runs. Over distribution and ssh, in one piece and in chunks, cut and stalled.
  """
  use ExUnit.Case, async: false

  alias Hotpush.{Config, Error, Report}
  alias Hotpush.Report.{Counts, Result}
  alias Hotpush.Report.{Document, Lines}
  alias Hotpush.Test.{Device, Hotswap, Link, Run, SshDevice, Until, Workbench}

  # A large push is staged.
  @small 10
  @large 20_000

  defp source(version, size) do
    for number <- 1..6, into: "" do
      noise = Base.encode64(:rand.bytes(size * 3))
      "defmodule Desk.M#{number} do\n  def v, do: #{version}\n  def n, do: \"#{noise}\"\nend\n"
    end
  end

  # A new version of six modules, one module more and one less.
  defp edit(bench, version, size) do
    extra = if rem(version, 2) == 0, do: [{Desk.New, Desk.Old}], else: [{Desk.Old, Desk.New}]
    [{come, gone}] = extra
    Workbench.write(bench, source(version, size) <> "defmodule #{inspect(come)} do\nend\n")
    if File.exists?(Workbench.file(bench, gone)), do: Workbench.remove(bench, gone)
    {to_string(come), to_string(gone)}
  end

  defp start(way) do
    bench = Workbench.new(:desk, source(1, @small) <> "defmodule Desk.Old do\nend\n")
    {bench, device(way, bench)}
  end

  defp device(:dist, bench) do
    device = Workbench.device(bench, mode: :embedded, link: 0)
    %{device: device, link: device.link, target: nil}
  end

  defp device(:ssh, bench) do
    device = Workbench.ssh_device(bench, mode: :embedded, link: 0)
    target = Workbench.target(bench, device)

    %{device: device.device, link: device.link, target: target, ssh: device}
  end

  defp push(bench, device, options \\ [])

  defp push(bench, %{target: nil, device: device}, options),
    do: Workbench.push(bench, device, [who: "ada@host"] ++ options)

  defp push(bench, %{target: target, ssh: ssh}, options) do
    SshDevice.with_path(ssh, fn ->
      [outcome] = Workbench.push_targets(bench, [target], options)
      outcome
    end)
  end

  defp v(device, module \\ Desk.M1), do: Device.call(device.device, module, :v, [])

  defp report(outcome) do
    report = Report.new(%Config{}, [outcome], %{compile: 0.0, scan: 0.0})
    path = Path.join(Run.dir("json"), "report.json")
    File.write!(path, Document.of(report))
    lines = for {_, line} <- Lines.of(report), do: line
    {Enum.join(lines, "\n"), hd(Hotswap.json(path)["devices"]), Report.exit_status(report)}
  end

  defp at_loading(fun) do
    fn
      {:loading, _, _} -> fun.()
      _ -> :ok
    end
  end

  for way <- [:dist, :ssh] do
    test "the report says what the device runs (#{way})" do
      {bench, device} = start(unquote(way))

      for {version, size} <- [{2, @small}, {4, @large}] do
        cut_off(bench, device, version + 1, size, whole(bench, device, version, size))
      end

      never_there(bench, device, 6, @small)
      never_there(bench, device, 7, @large)
      stays_down(bench, device, 8)
      comes_back_late(bench, device, 9)
      restarts(bench, device, 10)
    end
  end

  # A push that goes well, to measure how many bytes come back from the load on.
  defp whole(bench, device, version, size) do
    edit(bench, version, size)
    me = self()
    note = at_loading(fn -> send(me, {:before, elem(Link.bytes(device.link), 1)}) end)
    assert push(bench, device, progress: note).status == :done
    assert_received {:before, before}
    elem(Link.bytes(device.link), 1) - before
  end

  # The end of the answer is lost. It is the longest part of what comes back.
  defp cut_off(bench, device, version, size, whole) do
    {added, deleted} = edit(bench, version, size)
    cut = at_loading(fn -> Link.cut_open_after(device.link, :to_host, whole - 400) end)
    outcome = push(bench, device, progress: cut)
    assert %Result{status: :done, failures: [], added: [^added], deleted: [^deleted]} = outcome
    assert length(outcome.loaded) == 6
    assert v(device) == version

    {lines, node, 0} = report(outcome)

    assert lines =~
             ~r/^note: the answer from \S+ was lost. Asked again, it says that it runs all 7 modules/m

    assert lines =~ ~r/^7 of 7 modules differed, 1 removed, on \S+: loaded \(/m
    assert %{"status" => "done", "notices" => [%{"kind" => "answer_lost"}]} = node
    again(bench, device)
  end

  # The request is lost.
  defp never_there(bench, device, version, size) do
    edit(bench, version, size)
    before = v(device)
    cut = at_loading(fn -> Link.cut_open_after(device.link, :to_device, 900) end)
    outcome = push(bench, device, progress: cut)
    assert %Result{status: :failed, loaded: [], added: [], deleted: []} = outcome
    assert v(device) == before
    {lines, node, 1} = report(outcome)
    assert lines =~ ~r/^failed: the connection to \S+ was lost while it was /m
    assert lines =~ ~r/^\S+ now runs 0 of the 7 modules to load$/m
    assert node["status"] == "failed"
    assert outcome.failures |> hd() |> Error.message() =~ ~r/asked again|Nothing was changed/
    assert push(bench, device).status == :done
    again(bench, device)
  end

  # The device cannot be asked.
  defp stays_down(bench, device, version) do
    edit(bench, version, @small)

    cut =
      at_loading(fn ->
        Link.refuse(device.link)
        Link.cut_open_after(device.link, :to_host, 200)
      end)

    outcome = push(bench, device, progress: cut, timeout: 2_000)
    assert %Result{status: :unknown, loaded: [], added: [], deleted: []} = outcome
    {lines, node, 1} = report(outcome)
    assert lines =~ ~r/^It is unknown whether 8 changes took effect on \S+$/m

    assert lines =~
             ~r/was lost while it was loading the code, and the device could not be asked again:/

    refute lines =~ ~r/Successfully deployed|modules to load/
    assert %{"status" => "unknown", "failed" => [%{"kind" => "unknown"}]} = node
    assert {0, [{nil, _, _}]} = Counts.of(Report.new(%Config{}, [outcome], %{}))
    Until.until("the device to be done", fn -> v(device) == version end)
    Link.resume(device.link)
    again(bench, device)
  end

  # The link delivers what it held when the device is asked. Whatever the report said, the device must not
  # carry it out after that.
  defp comes_back_late(bench, device, version) do
    edit(bench, version, @small)

    steps = fn
      {:loading, _, _} -> Link.stall(device.link)
      {:asking_again, _} -> Link.resume(device.link)
      _ -> :ok
    end

    before = v(device)
    outcome = push(bench, device, progress: steps, timeout: 2_000)
    assert outcome.status in [:done, :failed]
    assert v(device) == if(outcome.status == :done, do: version, else: before)
    assert push(bench, device).status == :done
    again(bench, device)
  end

  defp restarts(bench, device, version) do
    edit(bench, version, @small)

    steps = fn
      {:loading, _, _} ->
        Link.stall(device.link)

      {:asking_again, _} ->
        if device.target, do: SshDevice.restart(device.ssh), else: Device.restart(device.device)
        Link.resume(device.link)

      _ ->
        :ok
    end

    outcome = push(bench, device, progress: steps, timeout: 2_000)
    assert %Result{status: :failed, loaded: [], added: [], deleted: []} = outcome
    {lines, _, 1} = report(outcome)
    assert lines =~ ~r/^failed: \S+ restarted while it was loading the code/m
    assert v(device) == 1
  end

  test "a push waits for a transaction that takes longer than the visit" do
    bench = Workbench.new(:desk, "defmodule Desk.Old do\nend\n")
    device = Workbench.device(bench)
    bench |> Workbench.remove(Desk.Old) |> Workbench.write("defmodule Desk.Slow do\nend\n")
    :ok = Device.call(device, :timer, :start, [])

    # The agent has its own time limit, but the loader may be busy before the agent starts: to remove a
    # module, the agent needs a module that is loaded.
    steps = fn
      {:loading, _, _} -> Device.call(device, :sys, :suspend, [:code_server])
      {:asking_again, _} -> Device.call(device, :timer, :apply_after, resumed())
      _ -> :ok
    end

    outcome = Workbench.push(bench, device, timeout: 2_000, progress: steps)
    assert %Result{status: :done, added: ["Elixir.Desk.Slow"]} = outcome
    assert {:answer_lost, 1, :soft} in outcome.notices
    assert Workbench.push(bench, device).round_trips == 1
  end

  defp resumed, do: [500, :sys, :resume, [:code_server]]

  test "if only some of the modules run, the push failed, and the others are named" do
    {bench, device} = start(:dist)
    edit(bench, 2, @small)
    # Somebody else loads one of them again before this push asks.
    other = "defmodule Desk.M3 do\n  def v, do: 3\nend\n"

    steps = fn
      {:loading, _, _} ->
        Link.cut_open_after(device.link, :to_host, 200)

      {:asking_again, _} ->
        Until.until("the device to be done", fn -> v(device) == 2 end)
        Device.eval(device.device, "Code.compile_string(source)", source: other)

      _ ->
        :ok
    end

    outcome = push(bench, device, progress: steps)
    assert %Result{status: :failed, added: ["Elixir.Desk.New"]} = outcome
    assert outcome.loaded == for(n <- [1, 2, 4, 5, 6], do: "Elixir.Desk.M#{n}")
    {lines, _, 1} = report(outcome)
    assert lines =~ ~r/^failed: Elixir.Desk.M3 was not loaded: the answer was lost/m
    assert lines =~ ~r/^\S+ now runs 6 of the 7 modules to load$/m
  end

  defp again(bench, device) do
    outcome = push(bench, device)
    assert %Result{status: :done, round_trips: 1, loaded: [], deleted: []} = outcome
  end
end
