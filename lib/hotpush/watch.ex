defmodule Hotpush.Watch do
  @moduledoc """
  Pushes once, and then after each save, until it is told to end.

  A save during a push is part of the next one. A device that cannot be reached is tried again every two
  seconds, beside the others, until it is up to date.
  """

  alias Hotpush.{Config, Error, Push, Text}
  alias Hotpush.Error.Fault
  alias Hotpush.Project.Workspace
  alias Hotpush.Push.Stopwatch
  alias Hotpush.Report.{Lines, Reload}
  alias Hotpush.Scanner.Times
  alias Hotpush.Watch.{Away, Events, Gathering, ReadOnce}

  @retry_ms 2_000

  defstruct [:config, :say, :events, :folders, :retrying, :read, :restart] ++
              [away: MapSet.new(), gathering: %Gathering{}, pushed: 0]

  @typedoc "Prints lines."
  @type say :: ([Lines.line()] -> any())

  @doc """
  Watches until a message `{:key, :quit}` arrives. `{:key, :push}` pushes at once. `since` is when the
  user began to wait for the first push, see `Hotpush.Push.run/2`. `restart` is called when a file has
  changed that Mix reads only when it starts. It returns only if the watch cannot start again.
  """
  @spec run(Config.t(), say(), keyword(), (() -> {:error, Error.t()})) :: :ok
  def run(%Config{} = config, say, since, restart) do
    # It watches before it pushes: what is saved meanwhile is not missed.
    say = if config.verbosity == :quiet, do: &say.(errors(&1)), else: say
    state = watch(%__MODULE__{config: config, say: say, restart: restart, read: read_once()})
    state = state |> push(config, since, &Lines.of(&1)) |> retry()
    say.(info: watching(state))
    loop(state)
  end

  defp errors(lines), do: for({:error, _} = line <- lines, do: line)

  defp loop(%{events: events, retrying: retrying} = state) do
    receive do
      {:changed, ^events} ->
        loop(%{state | gathering: Gathering.add(state.gathering, Stopwatch.now())})

      {:key, :push} ->
        state |> reload(Stopwatch.now()) |> loop()

      {:key, :quit} ->
        stop(state)

      {^retrying, :retried, pushed, answer} ->
        state |> retried(pushed, answer) |> loop()

      {:retry, ^retrying} ->
        %{state | retrying: nil} |> try_again() |> loop()

      _other ->
        loop(state)
    after
      Gathering.left(state.gathering, Stopwatch.now()) ->
        state |> reload(state.gathering.first) |> loop()
    end
  end

  defp stop(state), do: Events.stop(state.events)

  defp reload(state, first) do
    state = watch(%{state | gathering: %Gathering{}, pushed: state.pushed + 1})
    read = read_once()

    case ReadOnce.compare(state.read, read) do
      :same -> push_again(state, first)
      {:changed, file} -> start_again(state, file)
      {:broken, file} -> told({:error, broken(file)}, %{state | read: read}, &[&1])
    end
  end

  defp broken(file), do: Error.new(:compile, Path.relative_to_cwd(file), :syntax)

  defp start_again(state, file) do
    state.say.(info: "#{Text.printable(Path.relative_to_cwd(file))} changed, starting again")
    told(state.restart.(), %{state | read: read_once()}, &[&1])
  end

  defp read_once, do: ReadOnce.read(Workspace.read_once())

  defp push_again(state, first) do
    {there, _away} = Away.split(state.config.targets, state.away)

    if there == [],
      do: retry(state),
      else:
        state
        |> push(%{state.config | targets: there}, [since: first], &reloaded(&1, first))
        |> retry()
  end

  defp reloaded(report, first), do: Reload.of(report, Stopwatch.now() - first)

  defp push(state, config, since, lines),
    do: config |> pushed(since) |> told(state, lines)

  # A crash of the project's own compiler does not end the watch.
  defp pushed(config, since) do
    Push.run(config, since)
  catch
    kind, reason -> {:error, Fault.error("mix", kind, reason, __STACKTRACE__)}
  end

  defp told({:ok, report}, state, lines) do
    {away, report, back} = Away.seen(state.away, report)
    state.say.(for(name <- back, do: {:good, "#{name} is back"}) ++ lines.(report))
    %{state | away: away}
  end

  defp told({:error, error}, state, _lines) do
    state.say.(error: Error.message(error))
    state
  end

  # A folder that was deleted and made again, as by a checkout, is another one.
  defp watch(state) do
    sources = for folder <- Workspace.source_folders(), do: {folder, true}
    watched = Enum.uniq(sources ++ ReadOnce.folders(Workspace.read_once()))
    folders = for {folder, below?} <- watched, do: {folder, below?, inode(folder)}

    if folders == state.folders do
      state
    else
      if state.events, do: Events.stop(state.events)
      {:ok, events} = Events.start_link(watched)
      %{state | folders: folders, events: events}
    end
  end

  defp inode(folder), do: with({:ok, stat} <- File.stat(folder), do: stat.inode)

  defp retry(%{retrying: nil} = state) do
    if MapSet.size(state.away) == 0 do
      state
    else
      tag = make_ref()
      Process.send_after(self(), {:retry, tag}, @retry_ms)
      %{state | retrying: tag}
    end
  end

  defp retry(state), do: state

  # What was compiled last goes over; a compilation would take its turn from a save.
  defp try_again(state) do
    {_there, away} = Away.split(state.config.targets, state.away)
    watch = self()
    tag = make_ref()
    config = %{state.config | targets: away, compile?: false}
    pushed = state.pushed

    {:ok, _} = Task.start_link(fn -> send(watch, {tag, :retried, pushed, pushed(config, [])}) end)

    %{state | retrying: tag}
  end

  # If there was a push meanwhile, a device that is back may have missed it.
  defp retried(state, pushed, answer) do
    before = state.away
    state = told(answer, %{state | retrying: nil}, &Reload.of(&1, &1.ms.total))
    missed? = pushed != state.pushed and MapSet.size(state.away) < MapSet.size(before)
    state = if missed?, do: reload(state, Stopwatch.now()), else: state
    retry(state)
  end

  defp watching(%{events: events}) do
    how =
      case Events.how(events) do
        :system -> ""
        {:polling, :limit} -> " (twice a second: the system allows no more watches)"
        {:polling, _} -> " (twice a second)"
      end

    folders = Enum.filter(Workspace.source_folders(), &File.dir?/1)
    count = Text.count(length(Times.of(folders)), "file")
    names = Enum.map_join(folders, ", ", &Path.relative_to_cwd/1)
    "Watching #{count} in #{names}#{how}. Press p and Enter to push, q and Enter to quit"
  end
end
