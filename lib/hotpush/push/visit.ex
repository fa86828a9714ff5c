defmodule Hotpush.Push.Visit do
  @moduledoc """
  The visit to one device, from connecting to reading back, in phases. A visit is a struct, and each
  phase returns the next state of it. It decides nothing: see `Hotpush.Plan`.

    * `open` - reaches the device while the project is compiled, and asks about the project as the last
      build describes it
    * `ask` - asks what the device runs, while the project is scanned, unless it has already answered
    * `plan` - makes the plan. The visit is over here if there is nothing to do, or if it is refused
    * `stage` - sends the code to the device, which changes nothing there yet. Code that fits into one
      message travels with `commit`, unless the two have to be apart
    * `commit` - the device carries out the steps
    * `read_back` - compares what the device then runs

  The connection is always closed. If the answer to `commit` was lost, the device is asked again after
  that. The phases are in `Hotpush.Push.Visit.Asking`, `Hotpush.Push.Visit.Planning` and
  `Hotpush.Push.Visit.Sending`.
  """

  alias Hotpush.{Config, Error, Project}
  alias Hotpush.Config.Target
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Requests, Session}
  alias Hotpush.Push.{Opening, Packing, Stopwatch}
  alias Hotpush.Push.Visit.{Asking, Planning, Recovering, Sending}
  alias Hotpush.Report.Result

  @phases [:ask, :plan, :stage, :commit, :read_back]

  defstruct [:config, :project, :build, :inventory, :scanner, :pack, :last_build] ++
              [progress: &Function.identity/1, reach: &Function.identity/1] ++
              [shared: &__MODULE__.unshared/2, apart?: false] ++
              [:target, :session, :result, :scanned, :diff, :packed, :work, :staged, :answer] ++
              [early: nil, again?: false, over?: false]

  @typedoc """
  What all visits of a run share:

    * `:build` - a function that waits until the project is compiled; `nil` if the `:project` is known
    * `:inventory` - a function that waits for the scan
    * `:pack` - a function that packs modules once for several devices; `nil` to pack them here
    * `:shared` - a function that returns what another visit has made under the same key, or else makes it
    * `:last_build` - what the last build says of the project: see `Hotpush.Project.LastBuild`
    * `:reach` - is called with the name of each phase before it, and returns when the phase may begin
    * `:apart?` - whether even a small push is staged apart from committing

  The state of one visit:

    * `:early` - what the device answered while the project was compiled
    * `:again?` - whether the device was found changed before the commit, so that it was asked again
    * `:scanned`, `:diff` - what the project has, and how the device differs
    * `:packed`, `:work`, `:staged` - what is sent
    * `:answer` - the answer to the commit
    * `:over?` - whether no phase has anything left to do
  """
  @type t :: %__MODULE__{
          config: Config.t(),
          project: Project.t() | nil,
          build: Opening.built() | nil,
          inventory: (() -> {:ok, Inventory.t(), ModuleFilter.t()} | {:error, Error.t()}),
          scanner: module(),
          pack: ([{Path.t(), String.t()}] -> {:ok, list()} | {:error, Error.t()}) | nil,
          shared: (term(), (() -> term()) -> term()),
          last_build: Project.t() | nil,
          progress: (term() -> any()),
          reach: (atom() -> any()),
          apart?: boolean(),
          target: Target.t() | nil,
          session: Session.t() | nil,
          result: Result.t() | nil,
          scanned: {Inventory.t(), ModuleFilter.t()} | nil,
          diff: Hotpush.Scanner.diff() | nil,
          packed: Packing.packed() | nil,
          work: Requests.work() | nil,
          staged: Requests.staged() | nil,
          answer: term(),
          early: map() | nil,
          again?: boolean(),
          over?: boolean()
        }

  @doc false
  def unshared(_key, make), do: make.()

  @doc "Visits a device."
  @spec run(t(), Target.t()) :: Result.t()
  def run(%__MODULE__{} = visit, %Target{} = target) do
    visit = enter(:open, %{visit | target: target, result: %Result{target: target}})

    try do
      @phases |> Enum.reduce(visit, &enter/2) |> counted()
    after
      if visit.session, do: Session.close(visit.session)
    end
    |> Recovering.result()
  end

  @doc "Waits until the project is compiled."
  @spec built(t()) :: {:ok, Project.t(), float()} | {:error, Error.t()}
  def built(%__MODULE__{project: %Project{} = project}), do: {:ok, project, Stopwatch.now()}
  def built(%__MODULE__{build: build}), do: build.()

  defp enter(_phase, %{over?: true} = visit), do: visit

  # The time for the device stands still while others are waited for.
  defp enter(phase, visit) do
    {_, ms} = Stopwatch.timed(fn -> visit.reach.(phase) end)
    session = visit.session && Session.extend(visit.session, ms)
    phase(phase, %{visit | session: session})
  end

  defp phase(:open, visit), do: Asking.open(visit, fn -> built(visit) end)
  defp phase(:ask, visit), do: Asking.ask(visit)
  defp phase(:plan, visit), do: Planning.plan(visit)
  defp phase(:stage, visit), do: Sending.stage(visit)

  defp phase(:commit, visit) do
    with {:again, visit} <- Sending.commit(visit),
         do: Enum.reduce([:ask, :plan, :stage, :commit], visit, &enter/2)
  end

  defp phase(:read_back, visit), do: Sending.read_back(visit)

  defp counted(%{session: nil} = visit), do: visit

  defp counted(%{session: session, result: result} = visit) do
    {sent, received} = Session.bytes(session)
    counted = %{result | round_trips: session.round_trips, sent: sent, received: received}
    %{visit | result: counted}
  end
end
