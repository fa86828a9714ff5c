defmodule Hotpush.Test.Cuts do
  @moduledoc """
  Pushes to real devices over a link that is cut or stalled at a random byte, over distribution and over
  ssh. Whatever the fault, no device runs a mix of old and new code, the result says what the device
  then runs, and the next push works.

  `bin/cuts` runs many of them, the suite a few.
  """

  alias Hotpush.Test.{Device, Link, SshDevice, Until, Workbench}
  alias Hotpush.Test.Cuts.Verdict
  alias Hotpush.Error

  @modules 12
  @timeout 2_500
  @ways [:dist, :ssh]
  @sizes [:small, :staged]

  @doc """
  Makes `count` faults, the same ones for the same `seed`, and calls `tell` with each trial: `:wrong`
  lists what is wrong, and is empty if all is well.
  """
  @spec run(pos_integer(), integer(), (map() -> any())) :: [map()]
  def run(count, seed, tell \\ &Function.identity/1) do
    :rand.seed(:exsss, seed)
    bench = Workbench.new(:cut, sources(0, :small))
    dist = Workbench.device(bench, mode: :embedded, link: 2)
    devices = %{dist: dist, ssh: Workbench.ssh_device(bench, link: 2)}

    SshDevice.with_path(devices.ssh, fn ->
      totals =
        for way <- @ways, size <- @sizes, into: %{} do
          {{way, size}, total(bench, devices, way, size)}
        end

      for number <- 1..count do
        trial = trial(bench, devices, totals, number)
        tell.(trial)
        trial
      end
    end)
  end

  # Bytes of an undisturbed push, each way.
  defp total(bench, devices, way, size) do
    Workbench.write(bench, sources(-System.unique_integer([:positive]), size))
    link = devices[way].link
    Link.reset(link)
    %{status: :done} = push(bench, devices, way)
    Link.bytes(link)
  end

  defp trial(bench, devices, totals, number) do
    trial = fault(totals, number)
    link = devices[trial.way].link
    device = inner(devices[trial.way])
    old = versions(device)
    Workbench.write(bench, sources(number, trial.size))
    breaking = break(link, trial)
    outcome = push(bench, devices, trial.way)
    if breaking, do: Task.shutdown(breaking, :brutal_kill)
    Link.resume(link)
    rest(device)

    runs = runs(versions(device), old, List.duplicate(number, @modules))
    trial = Map.merge(trial, %{status: outcome.status, said: said(outcome), runs: runs})
    [next, again] = for _ <- 1..2, do: push(bench, devices, trial.way)
    Map.put(trial, :wrong, Verdict.of(trial, outcome) ++ Verdict.afterwards(next, again))
  end

  defp fault(totals, number) do
    way = Enum.random(@ways)
    size = Enum.random([:small | @sizes])
    direction = Enum.random([:to_device, :to_host])
    {to_device, to_host} = totals[{way, size}]
    all = if direction == :to_device, do: to_device, else: to_host
    # Half of them near the end, where the commit and its answer are.
    near = Enum.random([all, 1_500])

    %{
      number: number,
      way: way,
      size: size,
      fault: Enum.random([:cut_for_good, :stall_for_good | Verdict.passing() ++ [:cut_once]]),
      direction: direction,
      offset: max(all - :rand.uniform(near), 1),
      of: all
    }
  end

  defp runs(now, _old, new) when now == new, do: :new
  defp runs(now, old, _new) when now == old, do: :old
  defp runs(_now, _old, _new), do: :half

  defp said(outcome),
    do: Enum.map_join(outcome.failures ++ outcome.refusals, " / ", &Error.message/1)

  # Makes the fault when its byte has passed.
  defp break(link, %{fault: fault} = trial) when fault in [:cut_once, :cut_for_good] do
    Link.reset(link)
    Link.cut_after(link, trial.direction, trial.offset)

    if fault == :cut_once,
      do: Task.async(fn -> if passed?(link, trial), do: Link.resume(link) end)
  end

  defp break(link, trial) do
    Link.reset(link)

    Task.async(fn ->
      if passed?(link, trial) do
        Link.stall(link)

        if trial.fault == :stall_once do
          Process.sleep(700)
          Link.resume(link)
        end
      end
    end)
  end

  defp passed?(link, trial) do
    {to_device, to_host} = Link.bytes(link)
    carried = if trial.direction == :to_device, do: to_device, else: to_host

    if carried >= trial.offset do
      true
    else
      Process.sleep(1)
      passed?(link, trial)
    end
  end

  # Waits until the held bytes have arrived and everything that they started has ended.
  defp rest(device) do
    # Held bytes reach the device within moments.
    Process.sleep(50)

    Until.until(
      "the device to be left alone",
      fn -> Device.call(device, :erlang, :whereis, [:hotpush_transaction]) == :undefined end,
      60_000
    )
  end

  defp inner(%SshDevice{device: device}), do: device
  defp inner(device), do: device

  defp versions(device), do: for(n <- 1..@modules, do: Device.call(device, module(n), :v, []))

  defp push(bench, devices, way) do
    target = Workbench.target(bench, devices[way])
    [outcome] = Workbench.push_targets(bench, [target], timeout: @timeout)
    outcome
  end

  defp module(n), do: Module.concat(Cut, "M#{n}")

  # Above 256 kB, modules are staged.
  defp sources(version, size) do
    Enum.map_join(1..@modules, fn n ->
      noise = if size == :staged, do: Base.encode64(:rand.bytes(24_000)), else: ""

      "defmodule #{inspect(module(n))} do\n  def v, do: #{version}\n" <>
        "  def noise, do: \"#{noise}\"\nend\n"
    end)
  end
end
