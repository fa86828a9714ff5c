# A push of one changed module to a stock device over ssh, compared with what it cannot do without: Mix's
# own start and a bare ssh. See bench/README.md.
#
#     MIX_ENV=test mix run bench/ssh.exs

for file <- ~w(support/measure support/results support/command),
    do: Code.require_file("#{file}.exs", __DIR__)

defmodule Hotpush.Bench.Ssh do
  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Bench.Command
  alias Hotpush.Test.{Beams, Link, Project, SshDevice}

  @modules 500
  @rounds 9
  @link_ms 10
  @result Path.expand("results/ssh.json", __DIR__)

  def run do
    IO.puts("building a project of #{@modules} modules and its release")
    applications = [:logger, :iex, :ssh, :public_key]
    sources = Beams.sources(@modules)
    project = Project.new(app: :varied, files: sources, extra_applications: applications)
    device = SshDevice.start(release: Project.release(project), link: @link_ms)
    change(project, sources)

    # Once, without measuring: the first time, more is compiled, loaded from disk and remembered.
    %{loaded: 1} = hotswap(project, device)

    rounds = rounds(project, device, @rounds)
    figures = figures(rounds)
    measures = [modules: @modules, link_round_trip_ms: @link_ms] ++ measures(rounds)
    IO.puts("")
    print(figures)
    for {name, number} <- measures, do: IO.puts("  #{name}: #{number}")
    write(@result, figures, machine(), measures)
  end

  # As an editor does; this is not timed.
  defp change(project, old) do
    for {path, text} <- Beams.sources(@modules, [1]), old[path] != text do
      File.write!(Path.join(project.dir, path), text)
      File.touch!(Path.join(project.dir, path), System.os_time(:second) + 2)
    end

    Project.mix!(project, ["compile"])
  end

  defp rounds(_project, _device, 0), do: []

  defp rounds(project, device, left) do
    device = SshDevice.restart(device)
    # The device's first connection loads its daemon's modules.
    ssh(device)
    bare = ssh(device)
    {floor, _} = timed(fn -> Project.mix!(project, ["run", "--no-start", "-e", ":ok"]) end)
    %{loaded: 1} = one = hotswap(project, device)
    %{loaded: 0} = none = hotswap(project, device)
    IO.write(".")
    [%{bare: bare, floor: floor, one: one, none: none} | rounds(project, device, left - 1)]
  end

  defp ssh(device) do
    {ms, {"true", 0}} = timed(fn -> SshDevice.ssh(device, ["true"]) end)
    ms
  end

  defp hotswap(project, device) do
    Link.reset(device.link)
    args = ["upload.hotswap", SshDevice.address(device), "--json", "-"]
    {ms, output} = timed(fn -> Project.mix!(project, args, SshDevice.env(device)) end)
    [_, trips] = Regex.run(~r/"round_trips":(\d+)/, output)
    {there, back} = Link.bytes(device.link)
    loaded = output |> Command.document() |> Command.loaded()
    %{ms: ms, bytes: there + back, trips: String.to_integer(trips), loaded: loaded}
  end

  defp figures(rounds) do
    [
      figure(
        "1 changed over ssh, to mix run and a bare ssh",
        versus(rounds, :one),
        "x",
        {:at_most, 1.5}
      ),
      figure(
        "1 changed over ssh, round trips",
        trips(rounds, :one),
        "round trips",
        {:exactly, 2}
      ),
      figure("nothing changed, round trips", trips(rounds, :none), "round trips", {:exactly, 1})
    ]
  end

  defp measures(rounds) do
    [
      mix_run_ms: median(Enum.map(rounds, & &1.floor)),
      bare_ssh_ms: median(Enum.map(rounds, & &1.bare)),
      one_ms: median(Enum.map(rounds, & &1.one.ms)),
      none_ms: median(Enum.map(rounds, & &1.none.ms)),
      one_to_mix_run_and_bare_ssh: versus(rounds, :one),
      none_to_mix_run_and_bare_ssh: versus(rounds, :none),
      one_bytes: round(median(Enum.map(rounds, & &1.one.bytes))),
      none_bytes: round(median(Enum.map(rounds, & &1.none.bytes))),
      one_spread: spread(Enum.map(rounds, & &1.one.ms))
    ]
  end

  defp versus(rounds, key),
    do: ratio(Enum.map(rounds, & &1[key].ms), Enum.map(rounds, &(&1.floor + &1.bare)))

  defp trips(rounds, key), do: rounds |> Enum.map(& &1[key].trips) |> Enum.max()
end

Hotpush.Bench.Ssh.run()
