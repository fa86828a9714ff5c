defmodule Hotpush.Push.Visit.Asking do
  @moduledoc """
  The phases `open` and `ask` of a visit: reaches the device and asks what it runs, if possible while the
  project is being compiled, and waits for the scan.
  """

  import Hotpush.Push.Stopwatch, only: [timed: 1]
  import Hotpush.Push.Visit.State

  alias Hotpush.Plan.LineTables
  alias Hotpush.Project
  alias Hotpush.Protocol.{Device, Memory, Requests, Session}
  alias Hotpush.Push.{Opening, Visit}

  @doc """
  Reaches the device while `built` waits for the compilation, and asks about the project as the last build
  describes it.
  """
  @spec open(Visit.t(), Opening.built()) :: Visit.t()
  def open(visit, built) do
    visit.progress.({:connecting, visit.target.name})

    early = &asked_early(visit, &1)

    case Opening.run(visit.target, visit.config.timeout, early, built) do
      {{:ok, session, project, early}, ms} ->
        result = %{visit.result | connected?: true, ms: ms}
        %{visit | project: project, session: session, early: early, result: result}

      {{:error, error}, ms} ->
        visit |> add_ms(:connect, ms.connect) |> failed(error)
    end
  end

  # The question must be the one that this build asks.
  defp asked_early(%{last_build: nil}, session), do: {nil, session}

  defp asked_early(%{last_build: project} = visit, session) do
    remembered = recall(project, visit.target)
    question = question(project, remembered)
    {answer, session} = asked(visit, project, session, question, remembered)
    {%{question: question, remembered: remembered, answer: answer}, session}
  end

  @doc "Asks what the device runs, unless it has already answered, and compares that with the project."
  @spec ask(Visit.t()) :: Visit.t()
  def ask(%{early: early} = visit) do
    remembered = if early, do: early.remembered, else: recall(visit.project, visit.target)
    {apps, lines, extra} = question = question(visit.project, remembered)

    with %{over?: false} = visit <- answered(%{visit | early: nil}, early, question, remembered),
         %{over?: false, scanned: {inventory, scope}} = visit <- scanned(visit) do
      diff = diff(visit)

      case LineTables.lacking(inventory, visit.result.device, diff, scope, lines) do
        [] -> %{visit | diff: diff}
        more -> ask_more(visit, {apps, lines ++ more, extra})
      end
    end
  end

  # Applications, those whose line tables are compared, and other modules.
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
      timed(fn -> asked(visit, visit.project, visit.session, question, remembered) end)

    visit = add_ms(%{visit | session: session}, :ask, ms)

    case answer do
      {:ok, device} -> put_in(visit.result.device, device)
      {:error, error} -> failed(visit, error)
    end
  end

  defp asked(visit, project, session, {apps, lines, extra}, remembered) do
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
  defp ask_more(visit, question) do
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

  @doc "Asks again what the device runs, after the answer to a push was lost, without line tables."
  @spec ask_again(Visit.t(), Session.t()) ::
          {:ok, Device.t(), Session.t()} | {:error, Hotpush.Error.t(), Session.t()}
  def ask_again(%{project: %Project{apps: apps, protocols: protocols} = project}, session) do
    remembered = recall(project, session.target)
    Requests.ask(session, Enum.map(apps, & &1.name), [], protocols, remembered)
  end

  defp recall(project, target), do: Memory.recall(project.state_dir, target.name)
end
