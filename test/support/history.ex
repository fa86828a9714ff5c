defmodule Hotpush.Test.History do
  @moduledoc """
  Replays the git history of a library commit by commit onto one real device: a release of the first
  commit, in embedded mode. The real `mix upload.hotswap` pushes each following commit, and the device
  is then compared with a compilation from nothing.

  `bin/history` replays long histories, the suite a short one.
  """

  alias Hotpush.Test.{Device, Project}
  alias Hotpush.Test.History.{Library, Truth}

  # How often to push a second time, which should have nothing to do.
  @again 10

  defstruct [:library, :kind, :project, :twin, :device, :reference, seen: [], trials: []]

  @typedoc """
  The result of a commit: `:pushed`, `:refused` (then forced, or a new device was made), `:broken` (it
  does not compile) or `:failed`. `faults` is what was then wrong on the device.
  """
  @type trial :: %{
          commit: String.t(),
          came: :pushed | :refused | :broken | :failed,
          why: String.t(),
          modules: non_neg_integer,
          faults: [Truth.fault() | {:again, String.t()}]
        }

  @doc """
  Replays `count` commits of the repository, from `from:` on or the last ones, and calls `tell`
  with each trial. `kind:` is `:dependency` (a path dependency of a project) or `:own`.
  """
  @spec replay(Path.t(), pos_integer, keyword, (trial -> any)) :: [trial]
  def replay(repository, count, opts \\ [], tell \\ &Function.identity/1) do
    commits = Library.commits(repository, count, opts[:from])
    {state, commits} = begin(repository, Keyword.get(opts, :kind, :dependency), commits)
    last = length(commits)

    commits
    |> Enum.with_index(1)
    |> Enum.reduce(state, fn {commit, number}, state ->
      state = step(state, commit, rem(number, @again) == 0 or number == last)
      tell.(hd(state.trials))
      state
    end)
    |> then(&Enum.reverse(&1.trials))
  end

  # The firmware is the first commit that compiles.
  defp begin(repository, kind, [first | _] = commits) do
    library = Library.at(repository, first)

    state = %__MODULE__{
      library: library,
      kind: kind,
      project: Library.project(library, kind, []),
      twin: Library.project(library, kind, hotpush: false),
      reference: Truth.reference()
    }

    case Enum.drop_while(commits, &(fresh(state, &1) == :broken)) do
      [] -> raise "no commit of #{repository} compiles, from #{first} on"
      [firmware | later] -> {boot(state, firmware), later}
    end
  end

  defp boot(state, commit) do
    checkout(state, :project, commit)
    if state.device, do: Device.stop(state.device)
    seen = Map.keys(Truth.beams(state.twin))
    %{state | device: Device.start(release: Project.release(state.project)), seen: seen}
  end

  defp checkout(state, where, commit) do
    deps = if where == :project, do: [Project.Source.hotpush_dep()], else: []
    Library.checkout(state.library, Map.fetch!(state, where), state.kind, commit, deps)
  end

  # While the project is pushed, the same commit is compiled from nothing in another folder.
  defp fresh(state, commit) do
    checkout(state, :twin, commit)
    File.rm_rf!(Path.join(state.twin.dir, "_build"))

    case Project.mix(state.twin, ["compile"]) do
      {_output, 0} -> Truth.beams(state.twin)
      {_output, _status} -> :broken
    end
  end

  defp step(state, commit, again?) do
    checkout(state, :project, commit)
    fresh = Task.async(fn -> fresh(state, commit) end)
    {output, status} = push(state, [])
    beams = Task.await(fresh, :infinity)
    {state, came, why} = settle(state, commit, beams, output, status)
    trial = %{commit: commit, came: came, why: why, modules: 0, faults: []}

    if came == :broken do
      %{state | trials: [trial | state.trials]}
    else
      faults = faults(state, beams) ++ if(again?, do: again(state), else: [])
      trial = %{trial | modules: map_size(beams), faults: faults}
      seen = Enum.uniq(state.seen ++ Map.keys(beams))
      %{state | trials: [trial | state.trials], seen: seen}
    end
  end

  defp faults(state, beams),
    do: Truth.faults(state.device, state.reference, beams, state.seen -- Map.keys(beams))

  defp settle(state, _commit, :broken, _output, 1), do: {state, :broken, "it does not compile"}
  defp settle(state, _commit, :broken, output, _), do: {state, :failed, output}
  defp settle(state, _commit, _beams, _output, 0), do: {state, :pushed, ""}

  defp settle(state, commit, _beams, output, _status) do
    case Regex.run(~r/refused: (.*)/, output) do
      [_, why] ->
        {_output, status} = push(state, ["--force"])
        forced? = status == 0 and Device.alive?(state.device)
        {if(forced?, do: state, else: boot(state, commit)), :refused, why}

      nil ->
        {state, :failed, output}
    end
  end

  defp again(state) do
    case push(state, []) do
      {output, 0} -> if output =~ "Nothing differs on ", do: [], else: [{:again, output}]
      {output, _status} -> [{:again, output}]
    end
  end

  defp push(state, args) do
    args = ["upload.hotswap", "--node", to_string(state.device.node) | args]
    Project.mix(state.project, args, %{"HOTPUSH_COOKIE" => to_string(state.device.cookie)})
  end

  @doc "Whether everything went well."
  @spec right?([trial]) :: boolean
  def right?(trials), do: Enum.all?(trials, &(&1.came != :failed and &1.faults == []))

  @doc "The result in one line."
  @spec summary([trial]) :: String.t()
  def summary(trials) do
    came = Enum.frequencies_by(trials, & &1.came)
    wrong = for trial <- trials, fault <- trial.faults, do: elem(fault, 0)
    count = fn kind -> Enum.count(wrong, &(&1 == kind)) end

    "#{length(trials)} commits: #{Map.get(came, :pushed, 0)} pushed, " <>
      "#{Map.get(came, :refused, 0)} refused, #{Map.get(came, :broken, 0)} do not compile, " <>
      "#{Map.get(came, :failed, 0)} failed; #{count.(:code)} wrong code, " <>
      "#{count.(:lines)} wrong lines, #{count.(:again)} not settled by a second push"
  end
end
