defmodule Hotpush.Watch.Events do
  @every_ms 500

  @moduledoc """
  Tells its owner when something changes below some folders, or one of some files. It sends
  `{:changed, events}`, or `{:replaced, events}` if one of the folders itself was moved, removed or made;
  `events` is this process.

  With the native library, the operating system reports changes. Without the library, or if the system
  allows no more watches, this looks every #{@every_ms} ms.
  """

  use GenServer

  alias Hotpush.Native
  alias Hotpush.Scanner.Times

  @typedoc "Who watches: the system, or nobody, and why."
  @type how :: :system | {:polling, :no_native_library | :limit | {:text, String.t()}}

  @doc "Starts to watch these folders, with everything below them, and these files, which need not exist."
  @spec start_link([Path.t()], [Path.t()]) :: {:ok, pid()}
  def start_link(folders, files), do: GenServer.start_link(__MODULE__, {folders, files, self()})

  @doc "Who watches."
  @spec how(pid()) :: how()
  def how(events), do: GenServer.call(events, :how)

  @doc "Ends it."
  @spec stop(pid()) :: :ok
  def stop(events), do: GenServer.stop(events)

  @impl true
  def init({folders, files, owner}) do
    state = %{owner: owner, folders: folders, files: files, tag: unique()}

    case watch(state) do
      # The folders are watched as long as this reference is kept.
      {:ok, watch} -> {:ok, Map.merge(state, %{how: :system, watch: watch})}
      {:error, why} -> {:ok, look(Map.merge(state, %{how: {:polling, why}, seen: seen(state)}))}
    end
  end

  defp unique, do: System.unique_integer([:positive])

  @impl true
  def handle_call(:how, _from, state), do: {:reply, state.how, state}

  @impl true
  def handle_info({tag, :lost}, %{tag: tag} = state), do: {:noreply, tell(state, :replaced)}

  def handle_info({tag, paths}, %{tag: tag} = state) do
    paths = paths |> Enum.map(&Path.expand/1) |> Enum.reject(&beside?(&1, state))

    cond do
      paths == [] -> {:noreply, state}
      Enum.any?(paths, &(&1 in state.folders)) -> {:noreply, tell(state, :replaced)}
      true -> {:noreply, tell(state, :changed)}
    end
  end

  def handle_info(:look, state) do
    seen = seen(state)
    state = if seen == state.seen, do: state, else: tell(%{state | seen: seen}, :changed)
    {:noreply, look(state)}
  end

  # The folder of a file is watched, and has other files.
  defp beside?(path, state) do
    parents = Enum.map(state.files ++ state.folders, &Path.dirname/1)

    path not in state.files and path not in state.folders and Path.dirname(path) in parents and
      not Enum.any?(state.folders, &String.starts_with?(path, &1 <> "/"))
  end

  defp watch(%{tag: tag, folders: folders, files: files} = state) do
    # With "/." a link to a folder is that folder.
    below = for folder <- folders, File.dir?(folder), do: {Path.join(folder, "."), true}
    parents = for path <- files ++ folders, uniq: true, do: Path.dirname(path)
    beside = for folder <- parents, File.dir?(folder), do: {Path.join(folder, "."), false}

    with true <- Native.loaded?(),
         {:error, {:missing, _gone}} <- Native.watch(tag, below ++ beside) do
      # It has gone in between.
      watch(state)
    else
      false -> {:error, :no_native_library}
      {:ok, watch} -> {:ok, watch}
      {:error, {:limit, _}} -> {:error, :limit}
      {:error, why} -> {:error, why}
    end
  end

  defp tell(state, what) do
    send(state.owner, {what, self()})
    state
  end

  defp look(state) do
    Process.send_after(self(), :look, @every_ms)
    state
  end

  # A file that is saved again has another time, size or inode.
  defp seen(state) do
    for {path, _time} <- Times.of(state.folders ++ state.files),
        do: {path, File.stat(path, time: :posix)}
  end
end
