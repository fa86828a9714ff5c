defmodule Hotpush.Push.Visit do
  @moduledoc "One device from connecting to reading back. Decides nothing: see `Hotpush.Plan`."

  alias Hotpush.Report.LostAnswer
  alias Hotpush.{Config, Error, Plan, Project}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Session
  alias Hotpush.Push.{Opening, Packing, Recovery, Stopwatch}
  alias Hotpush.Report.Result
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.Memory
  alias Hotpush.Plan.{LineTables, Steps}
  import Hotpush.Push.Stopwatch, only: [timed: 1]

  defstruct [:config, :project, :build, :inventory, :scanner, :pack, :last_build] ++
              [progress: &Function.identity/1, again?: false]

  @typedoc """
  What all visits of a run share. `:build` is a function that waits until the project is compiled,
  where the `:project` is not known yet; `:inventory`, one that waits for the scan; `:pack`, one that
  packs modules, where what several devices need is to be packed once. Devices are
  reached while the project is compiled, and asked about what `:last_build` says of it (see
  `Hotpush.Project.LastBuild`); without that, or if that is not what this build says, while it is
  scanned. `:again?` says that the device was found changed between the question and the load.
  """
  @type t :: %__MODULE__{
          config: Config.t(),
          project: Project.t() | nil,
          build: Opening.built() | nil,
          inventory: (() -> {:ok, Inventory.t(), ModuleFilter.t()} | {:error, Error.t()}),
          scanner: module(),
          pack: ([{Path.t(), String.t()}] -> {:ok, list()} | {:error, Error.t()}) | nil,
          last_build: Project.t() | nil,
          progress: (term() -> any()),
          again?: boolean()
        }

  @doc "Visits a device."
  @spec run(t(), Target.t()) :: Result.t()
  def run(%__MODULE__{} = visit, %Target{} = target) do
    visit.progress.({:connecting, target.name})

    early = &asked_early(visit, &1)

    case Opening.run(target, visit.config.timeout, early, fn -> built(visit) end) do
      {{:ok, session, project, early}, ms} ->
        visit = %{visit | project: project}
        outcome = %Result{target: target, connected?: true, ms: ms}

        try do
          visit_open(visit, outcome, session, early)
        after
          Session.close(session)
        end
        |> recovered(visit, target)

      {{:error, error}, ms} ->
        %Result{target: target} |> put_ms(:connect, ms.connect) |> Result.failed(error)
    end
  end

  @doc "Waits until the project is compiled."
  @spec built(t()) :: {:ok, Project.t(), float()} | {:error, Error.t()}
  def built(%__MODULE__{project: %Project{} = project}), do: {:ok, project, Stopwatch.now()}
  def built(%__MODULE__{build: build}), do: build.()

  defp visit_open(visit, outcome, session, early) do
    served_by = Session.served_by(session)
    {outcome, session} = asked(visit, outcome, session, early)
    {sent, received} = Session.bytes(session)
    {%{outcome | round_trips: session.round_trips, sent: sent, received: received}, served_by}
  end

  # The broken visit is closed by now: what it had under way must not be carried out any more.
  defp recovered({%Result{lost: nil} = outcome, _served_by}, _visit, _target), do: outcome

  defp recovered({%Result{lost: lost} = outcome, served_by}, visit, target) do
    visit.progress.({:asking_again, target.name})

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

  # Line tables are none of its business.
  defp asked_again(visit, session) do
    %{apps: apps, protocols: protocols, state_dir: state_dir} = visit.project
    remembered = Memory.recall(state_dir, session.target.name)
    Session.ask(session, Enum.map(apps, & &1.name), [], protocols, remembered)
  end

  # As the last build knows the project. What is asked then has to be what this build asks.
  defp asked_early(%{last_build: nil}, session), do: {nil, session}

  defp asked_early(%{last_build: project} = visit, session) do
    remembered = recall(project, session)
    question = question(project, remembered)
    {answer, session} = ask(visit, project, session, question, remembered)
    {%{question: question, remembered: remembered, answer: answer}, session}
  end

  defp asked(visit, outcome, session, early) do
    remembered = if early, do: early.remembered, else: recall(visit.project, session)
    {_apps, lines, _extra} = question = question(visit.project, remembered)

    with {:ok, device, outcome, session} <-
           answered(visit, outcome, session, question, remembered, early),
         {:ok, inventory, scope, outcome, session} <- inventory(visit, outcome, session),
         diff = diff(visit, inventory, device),
         more = LineTables.lacking(inventory, device, diff, scope, lines),
         {:ok, device, outcome, session} <-
           ask_again(visit, outcome, session, device, question, more) do
      diff = if more == [], do: diff, else: diff(visit, inventory, device)
      planned(visit, outcome, session, device, diff, inventory, scope)
    end
  end

  defp recall(project, session), do: Memory.recall(project.state_dir, session.target.name)

  # What a device is asked for: applications, those whose line tables count, other modules.
  defp question(%{apps: apps, protocols: protocols, taken: taken}, remembered),
    do: {Enum.map(apps, & &1.name), LineTables.asked(apps, remembered), protocols ++ taken}

  defp answered(visit, outcome, session, question, remembered, early) do
    case early do
      %{answer: {:error, error}} ->
        {Result.failed(outcome, error), session}

      %{question: ^question, answer: {:ok, device}} ->
        {:ok, device, %{outcome | device: device}, session}

      %{answer: {:ok, device}} ->
        ask_now(visit, outcome, session, question, Memory.of(device))

      nil ->
        ask_now(visit, outcome, session, question, remembered)
    end
  end

  defp ask_now(visit, outcome, session, question, remembered) do
    {{answer, session}, ms} =
      timed(fn -> ask(visit, visit.project, session, question, remembered) end)

    outcome = add_ms(outcome, :ask, ms)

    case answer do
      {:ok, device} -> {:ok, device, %{outcome | device: device}, session}
      {:error, error} -> {Result.failed(outcome, error), session}
    end
  end

  defp ask(visit, project, session, {apps, lines, extra}, remembered) do
    visit.progress.({:asking, session.target.name})

    case Session.ask(session, apps, lines, extra, remembered) do
      {:ok, device, session} ->
        Memory.remember(project.state_dir, session.target.name, remembered, device)
        {{:ok, device}, session}

      {:error, error, session} ->
        {{:error, error}, session}
    end
  end

  defp ask_again(_visit, outcome, session, device, _question, []),
    do: {:ok, device, outcome, session}

  # At first contact only: what it answers is remembered.
  defp ask_again(visit, outcome, session, device, {apps, lines, extra}, more),
    do: ask_now(visit, outcome, session, {apps, lines ++ more, extra}, Memory.of(device))

  # The scan goes on meanwhile: what counts is how long it is waited for.
  defp inventory(visit, outcome, session) do
    {result, ms} = timed(fn -> visit.inventory.() end)
    outcome = put_ms(outcome, :scan, ms)
    session = Session.extend(session, ms)

    case result do
      {:ok, inventory, scope} -> {:ok, inventory, scope, outcome, session}
      {:error, error} -> {Result.failed(outcome, error), session}
    end
  end

  defp diff(visit, inventory, device) do
    entries = for {_, beam} <- inventory.beams, do: beam.entry
    visit.scanner.diff(entries, Hotpush.Protocol.Device.answers(device))
  end

  defp planned(visit, outcome, session, device, diff, inventory, scope) do
    inventory = Inventory.dispatching(inventory, Enum.map(diff.changed, &elem(&1, 0)))
    plan = Plan.build(session.target.name, inventory, device, diff, scope, visit.config, host())
    outcome = Result.planned(outcome, plan)

    cond do
      visit.config.dry_run? and plan.refusals == [] -> dry(visit, outcome, session, plan)
      plan.refusals != [] or Plan.empty?(plan) -> {outcome, session}
      true -> load(visit, outcome, session, plan)
    end
  end

  # A push is refused by the device before it removes what somebody lives by; a dry run has to ask.
  defp dry(visit, outcome, session, plan) do
    outcome = %{outcome | status: :planned}

    case if(visit.config.force?, do: [], else: Steps.removes(plan.steps)) do
      [] -> {outcome, session}
      names -> lived_by(visit.config, outcome, session, names)
    end
  end

  defp lived_by(config, outcome, session, names) do
    case timed(fn -> Session.lives(session, names, config.who) end) do
      {{:ok, living, session}, ms} ->
        {outcome |> put_ms(:ask, outcome.ms.ask + ms) |> Result.lived_by(living), session}

      {{:error, error, session}, _ms} ->
        {Result.failed(outcome, error), session}
    end
  end

  defp host, do: %{otp: to_string(:erlang.system_info(:otp_release)), elixir: System.version()}

  defp load(visit, outcome, session, plan) do
    case Packing.run(visit, plan) do
      {:ok, packed} ->
        work = Packing.work(visit.config, plan, packed)
        visit.progress.({:loading, session.target.name, Steps.progress(plan.steps)})

        case timed(fn -> Session.push(session, work, visit.progress) end) do
          # What is planned for another device than it is by now says nothing: planned anew, once.
          {{:ok, {:refused, :changed}, session}, ms} when not visit.again? ->
            asked(%{visit | again?: true}, add_ms(outcome, :send, ms), session, nil)

          {{:ok, answer, session}, ms} ->
            outcome = Result.read_back(outcome, answer, packed)
            {put_ms(outcome, :send, ms - Map.get(outcome.ms, :load, 0)), session}

          {{:error, error, %{committed?: true} = session}, ms} ->
            lost = %LostAnswer{error: error, packed: packed, purge: work.purge}
            {put_ms(%{outcome | lost: lost}, :send, ms), session}

          {{:error, error, session}, ms} ->
            {outcome |> put_ms(:send, ms) |> Result.failed(error), session}
        end

      {:error, errors} ->
        {Enum.reduce(errors, outcome, &Result.failed(&2, &1)), session}
    end
  end

  defp put_ms(outcome, key, ms), do: %{outcome | ms: Map.put(outcome.ms, key, ms)}
  defp add_ms(outcome, key, ms), do: %{outcome | ms: Map.update(outcome.ms, key, ms, &(&1 + ms))}
end
