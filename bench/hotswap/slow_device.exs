defmodule Hotpush.Bench.SlowDevice do
  @moduledoc "A device that gets a tenth of a core: within the timeout, and nothing asked twice."

  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Bench.{Command, OneDevice}
  alias Hotpush.Test.Device

  @rounds 3
  @timeout_s 30

  @doc "Figures and measures; one module of the project differs from the release."
  def run(project, release) do
    device = Device.start(release: release, link: 10, cpu: 0.1)
    rounds = for _ <- 1..@rounds, do: round(project, device)
    Device.stop(device)
    cold = Enum.map(rounds, & &1.cold)
    warm = Enum.map(rounds, & &1.warm)
    trips = (cold ++ warm) |> Enum.map(& &1.round_trips) |> Enum.max()
    seconds = (cold |> Enum.map(&visit/1) |> Enum.max()) / 1000

    {[
       figure("a tenth of a core, first contact", seconds, "s", {:at_most, @timeout_s}),
       figure("a tenth of a core, round trips", trips, "round trips", {:exactly, 2})
     ],
     [
       slow_first_contact_ms: median(Enum.map(cold, & &1.ms)),
       slow_ms: median(Enum.map(warm, & &1.ms))
     ] ++
       OneDevice.steps("slow_first_contact", cold) ++ OneDevice.steps("slow", warm)}
  end

  defp round(project, device) do
    Command.forget(project)
    device = Command.reboot(device)
    %{loaded: 1} = cold = Command.hotswap(project, [device])
    device = Command.reboot(device)
    %{loaded: 1} = warm = Command.hotswap(project, [device])
    IO.write(".")
    %{cold: cold, warm: warm}
  end

  # What the timeout is for; the scan goes on meanwhile.
  defp visit(run), do: Enum.sum(for {step, ms} <- run.steps, step not in ~w(compile scan), do: ms)
end
