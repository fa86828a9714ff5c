defmodule Hotpush.Bench.Fleet do
  @moduledoc """
  Many devices side by side, from connecting to reading back, against one of them.

  All devices share this machine's cores with the host, which real ones do not.
  """

  import Hotpush.Bench.{Measure, Results}
  alias Hotpush.Test.{Beams, Device, Run}
  alias Hotpush.{Config, Project, Scanner}
  alias Hotpush.Config.Target
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Push.{Fleet, Visit}

  @rounds 7
  # An idle scheduler spins for a while before it sleeps; twenty VMs on two cores would measure that.
  @args ~w(+sbwt none +sbwtdcpu none +sbwtdio none)

  @doc "Figures and measures for `count` devices that run `release`."
  def run(release, app, ebin, count) do
    cookie = :"#{Base.encode16(:rand.bytes(8))}"

    devices =
      for _ <- 1..count, do: Device.start(release: release, link: 10, cookie: cookie, args: @args)

    project = project(app, ebin)
    versions = for changed <- [[1], []], do: version(changed)

    rounds =
      for round <- 0..@rounds do
        [file] = Path.wildcard(Path.join(Enum.at(versions, rem(round, 2)), "*.beam"))
        File.cp!(file, Path.join(hd(project.apps).ebin, Path.basename(file)))
        one = push(project, Enum.take(devices, 1))
        # It has the module by now; the others are still to get it.
        many = push(project, Enum.drop(devices, 1))
        IO.write(".")
        {one, many}
      end

    Enum.each(devices, &Device.stop/1)
    {one, many} = rounds |> tl() |> Enum.unzip()

    {[figure("#{count - 1} devices to one", ratio(many, one), "x", {:at_most, 3})],
     [fleet_devices: count - 1, fleet_one_ms: median(one), fleet_ms: median(many)]}
  end

  # A copy, whose one module changes to and fro.
  defp project(app, ebin) do
    copy = Path.join([Run.dir("fleet"), to_string(app), "ebin"])
    File.mkdir_p!(Path.dirname(copy))
    File.cp_r!(ebin, copy)
    {:ok, [{:application, ^app, keys}]} = :file.consult(Path.join(copy, "#{app}.app"))

    %Project{
      apps: [%Project.App{name: app, kind: :own, ebin: copy, modules: keys[:modules]}],
      state_dir: Run.dir("state"),
      target: :host
    }
  end

  defp version(changed) do
    dir = Run.dir("version")
    Beams.compile(dir, [1], changed)
    dir
  end

  defp push(project, devices) do
    scanner = Scanner.default()
    inventory = Inventory.scan(project, scanner)
    {:ok, scope} = ModuleFilter.resolve([], [], inventory)
    config = %Config{timeout: 20_000}
    scanned = fn -> {:ok, inventory, scope} end
    visit = %Visit{config: config, project: project, scanner: scanner, inventory: scanned}
    {ms, outcomes} = timed(fn -> Fleet.run(visit, Enum.map(devices, &target(&1, project))) end)
    for outcome <- outcomes, do: %{loaded: [_], failures: [], refusals: []} = outcome
    ms
  end

  defp target(device, project) do
    %Target{
      name: to_string(device.node),
      transport: Hotpush.Transport.Dist,
      node: device.node,
      cookie: Hotpush.Config.Secret.wrap(device.cookie),
      state_dir: project.state_dir
    }
  end
end
