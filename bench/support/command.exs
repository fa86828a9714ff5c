defmodule Hotpush.Bench.Command do
  @moduledoc "The commands that are measured, as whole OS processes, and what they said of themselves."

  alias Hotpush.Bench.Measure
  alias Hotpush.Test.{Device, Link, Project}

  @older Path.expand("../hotswap/older.exs", __DIR__)

  @doc "Mix's own start in the project: the floor for any command."
  def floor(project), do: elem(run(project, ["run", "--no-start", "-e", ":ok"], %{}), 0)

  @doc "`mix compile` in the project: the floor for a push of what is not compiled yet."
  def compile(project), do: elem(run(project, ["compile"], %{}), 0)

  @doc "`mix upload.hotswap` for devices: `%{ms:, bytes:, steps:, round_trips:, loaded:}`."
  def hotswap(project, devices) do
    nodes = Enum.flat_map(devices, &["--node", to_string(&1.node)])
    env = %{"HOTPUSH_COOKIE" => to_string(hd(devices).cookie)}
    reset(devices)
    {ms, output} = run(project, ["upload.hotswap", "--json", "-" | nodes], env)
    json = document(output)

    %{
      ms: ms,
      bytes: bytes(devices),
      round_trips: number(json, "round_trips"),
      loaded: loaded(json),
      steps: for(step <- ~w(compile scan connect ask send load), do: {step, number(json, step)})
    }
  end

  @doc "The document of `--json -`, in an output that has the lines of standard error before it."
  def document(output), do: output |> String.split("\n", trim: true) |> List.last()

  @doc "How many modules a document says were loaded, on all devices."
  def loaded(json) do
    for([_, names] <- Regex.scan(~r/"loaded":\[([^\]]*)\]/, json), do: names)
    |> Enum.flat_map(&String.split(&1, ",", trim: true))
    |> length()
  end

  @doc "The older way for a device: `%{ms:, bytes:}`."
  def older(project, device) do
    env = %{"BENCH_NODE" => to_string(device.node), "BENCH_COOKIE" => to_string(device.cookie)}
    reset([device])
    {ms, output} = run(project, ["run", "--no-start", @older], env)
    "older way: " <> _ = output
    %{ms: ms, bytes: bytes([device])}
  end

  @doc "Makes the host forget what it knows of devices' files."
  def forget(project), do: File.rm_rf!(Path.join(project.dir, "_build/dev/.hotpush/devices"))

  @doc "Back to the firmware."
  def reboot(device), do: Device.restart(device)

  defp run(project, args, env) do
    Measure.timed(fn -> Project.mix!(project, args, env) end)
  end

  defp reset(devices), do: for(%{link: link} when link != nil <- devices, do: Link.reset(link))

  defp bytes(devices) do
    for(%{link: link} when link != nil <- devices, do: Link.bytes(link))
    |> Enum.reduce(0, fn {there, back}, sum -> sum + there + back end)
  end

  defp number(json, key) do
    [_, digits] = Regex.run(~r/"#{key}":(\d+(?:\.\d+)?)/, json)
    if digits =~ ".", do: String.to_float(digits), else: String.to_integer(digits)
  end
end
