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
  that.
  """

  alias Hotpush.Report.LostAnswer
  alias Hotpush.{Config, Error, Plan, Project}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Requests, Session}
  alias Hotpush.Push.{Opening, Packing, Recovery, Stopwatch}
  alias Hotpush.Report.Result
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Device, Memory}
  alias Hotpush.Plan.{LineTables, Steps}
  import Hotpush.Push.Stopwatch, only: [timed: 1]

  @phases [:ask, :plan, :stage, :commit, :read_back]

  defstruct [:config, :project, :build, :inventory, :scanner, :pack, :last_build] ++
              [progress: &Function.identity/1, reach: &Function.identity/1] ++
              [shared: &__MODULE__.unshared/2, apart?: false] ++
              [:target, :session, :result, :scanned, :diff, :packed, :work, :staged, :answer] ++
              [early: nil, again?: false, over?: false]

  @typedoc """
  What all visits of a run share: `:build` is a function that waits until the project is compiled,
  where the `:project` is not known yet; `:inventory`, one that waits for the scan; `:pack`, one that
  packs modules, where what several devices need is to be packed once; `:shared`, one that returns what
  another visit has made under the same key, or else makes it; `:last_build`, what the last
  build says of the project (see `Hotpush.Project.LastBuild`); `:reach` is called with the
  name of each phase before it, and returns when the phase may begin; `:apart?` stages apart from
  committing, also what is small.

  What one visit has come to: its `:target`, `:session` and `:result`, what was answered `:early`, while
  the project was compiled, whether the device was found changed between the question and the load, and
  so is asked and planned for `:again?`, what the project has
  (`:scanned`) and how the device differs (`:diff`), what is sent (`:packed`, `:work`, `:staged`),
  and the `:answer`. It is `:over?` if no phase has anything left to do.
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
    |> recovered()
  end

  @doc "Waits until the project is compiled."
  @spec built(t()) :: {:ok, Project.t(), float()} | {:error, Error.t()}
  def built(%__MODULE__{project: %Project{} = project}), do: {:ok, project, Stopwatch.now()}
  def built(%__MODULE__{build: build}), do: build.()

  defp enter(_phase, %{over?: true} = visit), do: visit

  # The time for the device stands still while others are waited for.
  defp enter(phase, visit) do
    {_, ms} = timed(fn -> visit.reach.(phase) end)
    session = visit.session && Session.extend(visit.session, ms)
    phase(phase, %{visit | session: session})
  end

  defp phase(:open, visit) do
    visit.progress.({:connecting, visit.target.name})

    early = &asked_early(visit, &1)

    case Opening.run(visit.target, visit.config.timeout, early, fn -> built(visit) end) do
      {{:ok, session, project, early}, ms} ->
        result = %{visit.result | connected?: true, ms: ms}
        %{visit | project: project, session: session, early: early, result: result}

      {{:error, error}, ms} ->
        visit |> add_ms(:connect, ms.connect) |> failed(error)
    end
  end

  defp phase(:ask, %{early: early} = visit) do
    remembered = if early, do: early.remembered, else: recall(visit.project, visit.target)
    {apps, lines, extra} = question = question(visit.project, remembered)

    with %{over?: false} = visit <- answered(%{visit | early: nil}, early, question, remembered),
         %{over?: false, scanned: {inventory, scope}} = visit <- scanned(visit) do
      diff = diff(visit)

      case LineTables.lacking(inventory, visit.result.device, diff, scope, lines) do
        [] -> %{visit | diff: diff}
        more -> ask_again(visit, {apps, lines ++ more, extra})
      end
    end
  end

  defp phase(:plan, %{scanned: {inventory, scope}, diff: diff} = visit) do
    inventory = Inventory.dispatching(inventory, Enum.map(diff.changed, &elem(&1, 0)))
    %{config: config, result: %{device: device}} = visit
    plan = Plan.build(visit.target.name, inventory, device, diff, scope, config, host())
    visit = %{visit | result: Result.planned(visit.result, plan)}

    cond do
      config.dry_run? and plan.refusals == [] -> dry(visit, plan)
      plan.refusals != [] or Plan.empty?(plan) -> over(visit)
      true -> visit
    end
  end

  defp phase(:stage, %{result: %{plan: plan}} = visit) do
    case Packing.run(visit, plan) do
      {:ok, packed} ->
        work = Packing.work(visit, plan, packed)
        visit.progress.({:loading, visit.target.name, Steps.progress(plan.steps)})
        staged(%{visit | packed: packed, work: work})

      {:error, errors} ->
        over(%{visit | result: Enum.reduce(errors, visit.result, &Result.failed(&2, &1))})
    end
  end

  defp phase(:commit, visit) do
    case timed(fn -> Requests.commit(visit.session, visit.staged, visit.work) end) do
      # The device no longer runs what the plan was made for, so the plan is made again, once.
      {{:ok, {:refused, :changed}, session}, ms} when not visit.again? ->
        visit = add_ms(%{visit | session: session, again?: true}, :send, ms)
        Enum.reduce([:ask, :plan, :stage, :commit], visit, &enter/2)

      {{:ok, answer, session}, ms} ->
        add_ms(%{visit | session: session, answer: answer}, :send, ms)

      {{:error, error, %{committed?: true} = session}, ms} ->
        lost = %LostAnswer{error: error, packed: visit.packed, purge: visit.work.purge}
        visit = %{visit | session: session, result: %{visit.result | lost: lost}}
        visit |> add_ms(:send, ms) |> over()

      {{:error, error, session}, ms} ->
        %{visit | session: session} |> add_ms(:send, ms) |> failed(error)
    end
  end

  # The time that the device needed for loading is reported apart from sending.
  defp phase(:read_back, visit) do
    result = Result.read_back(visit.result, visit.answer, visit.packed)
    add_ms(%{visit | result: result}, :send, -Map.get(result.ms, :load, 0))
  end

  # The project as the last build describes it. The question must be the one that this build asks.
  defp asked_early(%{last_build: nil}, session), do: {nil, session}

  defp asked_early(%{last_build: project} = visit, session) do
    remembered = recall(project, visit.target)
    question = question(project, remembered)
    {answer, session} = ask(visit, project, session, question, remembered)
    {%{question: question, remembered: remembered, answer: answer}, session}
  end

  defp recall(project, target), do: Memory.recall(project.state_dir, target.name)

  # The question: applications, those whose line tables are compared, and other modules.
  defp question(%{apps: apps, protocols: protocols, taken: taken}, remembered),
    do: {Enum.map(apps, & &1.name), LineTables.asked(apps, remembered), protocols ++ taken}

  defp answered(visit, early, question, remembered) do
    case early do
      %{answer: {:error, error}} -> failed(visit, error)
      %{question: ^question, answer: {:ok, device}} -> put_in(visit.result.device, device)
      %{answer: {:ok, device}} -> ask_now(visit, question, Memory.of(device))
      nil -> ask_now(visit, question, remembered)
    end
  end

  defp ask_now(visit, question, remembered) do
    {{answer, session}, ms} =
      timed(fn -> ask(visit, visit.project, visit.session, question, remembered) end)

    visit = add_ms(%{visit | session: session}, :ask, ms)

    case answer do
      {:ok, device} -> put_in(visit.result.device, device)
      {:error, error} -> failed(visit, error)
    end
  end

  defp ask(visit, project, session, {apps, lines, extra}, remembered) do
    visit.progress.({:asking, session.target.name})

    case Requests.ask(session, apps, lines, extra, remembered) do
      {:ok, device, session} ->
        Memory.remember(project.state_dir, session.target.name, remembered, device)
        {{:ok, device}, session}

      {:error, error, session} ->
        {{:error, error}, session}
    end
  end

  # Only at first contact, since the answer is remembered.
  defp ask_again(visit, question) do
    with %{over?: false} = visit <- ask_now(visit, question, Memory.of(visit.result.device)),
         do: %{visit | diff: diff(visit)}
  end

  # The scan runs at the same time, so only the time of waiting for it counts.
  defp scanned(visit) do
    {result, ms} = timed(fn -> visit.inventory.() end)
    visit = put_ms(%{visit | session: Session.extend(visit.session, ms)}, :scan, ms)

    case result do
      {:ok, inventory, scope} -> %{visit | scanned: {inventory, scope}}
      {:error, error} -> failed(visit, error)
    end
  end

  defp diff(%{scanned: {inventory, _scope}} = visit) do
    entries = for {_, beam} <- inventory.beams, do: beam.entry
    visit.scanner.diff(entries, Device.answers(visit.result.device))
  end

  # In a push, the device refuses to remove modules that are still needed; a dry run has to ask.
  defp dry(visit, plan) do
    visit = over(%{visit | result: %{visit.result | status: :planned}})

    case if(visit.config.force?, do: [], else: Steps.removes(plan.steps)) do
      [] -> visit
      names -> lived_by(visit, names)
    end
  end

  defp lived_by(visit, names) do
    case timed(fn -> Requests.lives(visit.session, names, visit.config.who) end) do
      {{:ok, living, session}, ms} ->
        result = Result.lived_by(visit.result, living)
        add_ms(%{visit | session: session, result: result}, :ask, ms)

      {{:error, error, session}, _ms} ->
        failed(%{visit | session: session}, error)
    end
  end

  defp host, do: %{otp: to_string(:erlang.system_info(:otp_release)), elixir: System.version()}

  defp staged(visit) do
    stage = fn -> Requests.stage(visit.session, visit.work, visit.apart?, visit.progress) end

    case timed(stage) do
      {{:ok, staged, session}, ms} ->
        add_ms(%{visit | session: session, staged: staged}, :send, ms)

      {{:error, error, session}, ms} ->
        %{visit | session: session} |> add_ms(:send, ms) |> failed(error)
    end
  end

  defp counted(%{session: nil} = visit), do: visit

  defp counted(%{session: session, result: result} = visit) do
    {sent, received} = Session.bytes(session)
    counted = %{result | round_trips: session.round_trips, sent: sent, received: received}
    %{visit | result: counted}
  end

  # The broken visit is closed by now, so that nothing of it can be carried out any more.
  defp recovered(%{result: %Result{lost: nil} = result}), do: result

  defp recovered(%{result: %Result{lost: lost} = outcome, target: target} = visit) do
    visit.progress.({:asking_again, target.name})
    served_by = Session.served_by(visit.session)

    {{result, {trips, sent, received}}, ms} =
      timed(fn ->
        Recovery.run(target, served_by, visit.config.timeout, &asked_again(visit, &1))
      end)

    outcome = %{
      outcome
      | lost: nil,
        round_trips: outcome.round_trips + trips,
        sent: outcome.sent + sent,
        received: outcome.received + received,
        ms: Map.update(outcome.ms, :send, ms, &(&1 + ms))
    }

    case result do
      {:ok, device} -> LostAnswer.seen(outcome, lost, device)
      {:error, error} -> LostAnswer.unknown(outcome, lost, Target.named(target, error))
    end
  end

  # This does not ask for line tables.
  defp asked_again(visit, session) do
    %{apps: apps, protocols: protocols} = visit.project
    remembered = recall(visit.project, session.target)
    Requests.ask(session, Enum.map(apps, & &1.name), [], protocols, remembered)
  end

  defp over(visit), do: %{visit | over?: true}

  defp failed(visit, error), do: over(%{visit | result: Result.failed(visit.result, error)})

  defp put_ms(visit, key, ms), do: update_in(visit.result.ms, &Map.put(&1, key, ms))

  defp add_ms(visit, key, ms),
    do: update_in(visit.result.ms, &Map.update(&1, key, ms, fn before -> before + ms end))
end
