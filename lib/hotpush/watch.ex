defmodule Hotpush.Watch do
  @moduledoc """
  Pushes once, and then after each save, until it is told to end.

  A save during a push is part of the next one. A device that cannot be reached is tried again every two
  seconds, beside the others, until it is up to date.
  """

  alias Hotpush.{Config, Error, Push, Text, Turn}
  alias Hotpush.Error.Fault
  alias Hotpush.Project.Workspace
  alias Hotpush.Push.Stopwatch
  alias Hotpush.Report.{Lines, Reload}
  alias Hotpush.Scanner.Times
  alias Hotpush.Watch.{Away, Events, Gathering, ReadOnce}

  @retry_ms 2_000

  # `built?` says whether the last compilation has succeeded, `failed` is the error of the last retry.
  defstruct [:config, :say, :events, :watched, :retrying, :read, :restart, :failed] ++
              [away: MapSet.new(), gathering: %Gathering{}, pushed: 0, built?: false]

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

      # Nothing in the old folder is seen any more.
      {:replaced, ^events} ->
        gathering = Gathering.add(state.gathering, Stopwatch.now())
        loop(%{state | gathering: gathering, watched: nil})

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

  # A push in another process may have another project as Mix's current one.
  defp ask_mix(fun), do: Turn.take(:build, fun)

  defp read_once, do: ReadOnce.read(ask_mix(&Workspace.read_once/0))

  # If no device is there, this only compiles: the code is ready for who comes back.
  defp push_again(state, first) do
    {there, _away} = Away.split(state.config.targets, state.away)
    lines = &Reload.of(&1, Stopwatch.now() - first)
    state |> push(%{state.config | targets: there}, [since: first], lines) |> retry()
  end

  defp push(state, config, since, lines) do
    answer = pushed(config, since)
    told(answer, %{state | built?: match?({:ok, _}, answer)}, lines)
  end

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
    {sources, read_once} = ask_mix(fn -> {Workspace.source_folders(), Workspace.read_once()} end)

    {folders, files} = Enum.split_with(sources ++ read_once, &File.dir?/1)
    watched = {for(folder <- folders, do: {folder, inode(folder)}), files}

    if watched == state.watched do
      state
    else
      if state.events, do: Events.stop(state.events)
      {:ok, events} = Events.start_link(folders, files)
      %{state | watched: watched, events: events}
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
  defp try_again(%{built?: false} = state), do: retry(state)

  defp try_again(state) do
    {_there, away} = Away.split(state.config.targets, state.away)
    watch = self()
    tag = make_ref()
    config = %{state.config | targets: away, compile?: false, wait: nil}
    pushed = state.pushed

    {:ok, _} = Task.start_link(fn -> send(watch, {tag, :retried, pushed, pushed(config, [])}) end)

    %{state | retrying: tag}
  end

  # If there was a push meanwhile, a device that is back may have missed it.
  defp retried(state, pushed, answer) do
    before = state.away
    state = again(answer, %{state | retrying: nil})
    missed? = pushed != state.pushed and MapSet.size(state.away) < MapSet.size(before)
    state = if missed?, do: reload(state, Stopwatch.now()), else: state
    retry(state)
  end

  # It would fail with the same error every two seconds.
  defp again({:error, error}, %{failed: error} = state), do: state

  defp again({:error, error} = answer, state),
    do: told(answer, %{state | failed: error}, &Lines.of/1)

  defp again(answer, state), do: told(answer, state, &Reload.of(&1, &1.ms.total))

  defp watching(%{events: events}) do
    how =
      case Events.how(events) do
        :system -> ""
        {:polling, :limit} -> " (twice a second: the system allows no more watches)"
        {:polling, _} -> " (twice a second)"
      end

    folders = Enum.filter(ask_mix(&Workspace.source_folders/0), &File.dir?/1)
    count = Text.count(length(Times.of(folders)), "file")
    names = Enum.map_join(folders, ", ", &Path.relative_to_cwd/1)
    "Watching #{count} in #{names}#{how}. Press p and Enter to push, q and Enter to quit"
  end
end
