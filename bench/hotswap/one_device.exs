defmodule Hotpush.Bench.OneDevice do
  @moduledoc """
  `mix upload.hotswap` for one device behind a link, next to Mix's own start and to the older way.

  All in turns. The device is rebooted before each push, so each finds the firmware.
  """

  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Bench.Command

  @rounds 9
  @older_rounds 3

  @doc "Figures and measures: one of the modules changed, none, one edited and not compiled, then all."
  def run(project, device, %{few: few, all: all, edit: edit}) do
    few.()
    first = Command.hotswap(project, [device])
    %{loaded: 1} = first
    Command.floor(project)
    one = for round <- 1..@rounds, do: one(project, device, round)
    edited = for round <- 1..@rounds, do: edited(project, device, edit, round)
    all.()
    everything = for _ <- 1..@older_rounds, do: everything(project, device)
    {figures(one, edited, everything), measures(one, edited, everything)}
  end

  defp one(project, device, round) do
    older = if round <= @older_rounds, do: Command.older(project, device)
    device = Command.reboot(device)
    floor = Command.floor(project)
    %{loaded: 1} = one = Command.hotswap(project, [device])
    %{loaded: 0} = none = Command.hotswap(project, [device])
    device = Command.reboot(device)
    Command.forget(project)
    %{loaded: 1} = cold = Command.hotswap(project, [device])
    IO.write(".")
    %{older: older, floor: %{ms: floor}, one: one, none: none, cold: cold}
  end

  # The same edit, compiled, and compiled and pushed.
  defp edited(project, device, edit, round) do
    device = Command.reboot(device)
    edit.(2 * round)
    compile = Command.compile(project)
    edit.(2 * round + 1)
    %{loaded: 1} = push = Command.hotswap(project, [device])
    IO.write(".")
    %{compile: %{ms: compile}, push: push}
  end

  defp everything(project, device) do
    device = Command.reboot(device)
    all = Command.hotswap(project, [device])
    device = Command.reboot(device)
    older = Command.older(project, device)
    IO.write(".")
    %{all: all, older: older}
  end

  defp figures(one, edited, all) do
    older = Enum.filter(one, & &1.older)

    [
      figure("1 changed, time to mix run", versus(one, :one, :floor), "x", {:at_most, 1.4}),
      figure(
        "1 edited, time to mix compile",
        versus(edited, :push, :compile),
        "x",
        {:at_most, 1.15}
      ),
      figure("1 changed, round trips", trips(one, :one), "round trips", {:exactly, 2}),
      figure("nothing changed, round trips", trips(one, :none), "round trips", {:exactly, 1}),
      figure("1 changed, on the wire", kb(one, :one), "kB", {:at_most, 18}),
      figure("1 changed, first contact", kb(one, :cold), "kB", {:at_most, 18}),
      figure("1 changed, older way to it", versus(older, :older, :one), "x", {:at_least, 12}),
      figure("all changed, older way to it", versus(all, :older, :all), "x", {:at_least, 6}),
      figure("all changed, of the older way's bytes", share(all), "%", {:at_most, 15}),
      figure("all changed, round trips", trips(all, :all), "round trips", {:exactly, 3})
    ]
  end

  defp measures(one, edited, all) do
    older = Enum.filter(one, & &1.older)

    [
      mix_run_ms: ms(one, :floor),
      edited_compile_ms: ms(edited, :compile),
      edited_push_ms: ms(edited, :push),
      edited_push_to_compile: versus(edited, :push, :compile),
      none_ms: ms(one, :none),
      one_ms: ms(one, :one),
      one_first_contact_ms: ms(one, :cold),
      all_ms: ms(all, :all),
      older_ms: ms(older ++ all, :older),
      older_to_none: versus(older, :older, :none),
      older_to_one: versus(older, :older, :one),
      older_to_all: versus(all, :older, :all),
      none_to_mix_run: versus(one, :none, :floor),
      one_first_contact_to_mix_run: versus(one, :cold, :floor),
      mix_run_spread: spread(Enum.map(one, & &1.floor.ms)),
      one_spread: spread(Enum.map(one, & &1.one.ms)),
      none_bytes: bytes(one, :none),
      one_bytes: bytes(one, :one),
      one_first_contact_bytes: bytes(one, :cold),
      all_bytes: bytes(all, :all),
      older_bytes: bytes(older ++ all, :older)
    ] ++
      steps("edited", Enum.map(edited, & &1.push)) ++
      steps("one", Enum.map(one, & &1.one)) ++ steps("all", Enum.map(all, & &1.all))
  end

  @doc "The medians of the steps that a command reports, as `one_ask_step_ms`."
  def steps(label, runs) do
    for {step, _} <- hd(runs).steps do
      {:"#{label}_#{step}_step_ms", median(for r <- runs, {^step, ms} <- r.steps, do: ms)}
    end
  end

  defp ms(rounds, key), do: median(Enum.map(rounds, & &1[key].ms))
  defp bytes(rounds, key), do: round(median(Enum.map(rounds, & &1[key].bytes)))
  defp kb(rounds, key), do: bytes(rounds, key) / 1000
  defp trips(rounds, key), do: rounds |> Enum.map(& &1[key].round_trips) |> Enum.max()

  defp versus(rounds, of, to) do
    ratio(Enum.map(rounds, & &1[of].ms), Enum.map(rounds, & &1[to].ms))
  end

  defp share(rounds) do
    100 * ratio(Enum.map(rounds, & &1.all.bytes), Enum.map(rounds, & &1.older.bytes))
  end
end
