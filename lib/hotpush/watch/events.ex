defmodule Hotpush.Watch.Events do
  @every_ms 500

  @moduledoc """
  Tells its owner when something in these folders changes: `{:changed, events}`, where `events` is
  this process.

  The native library asks the system. Without it, or if the system allows no more watches, the folders
  are looked through every #{@every_ms} ms.
  """

  use GenServer

  alias Hotpush.Native

  @typedoc "Who watches: the system, or nobody, and why."
  @type how :: :system | {:polling, :no_native_library | :limit | {:text, String.t()}}

  @doc """
  Starts to watch folders, each alone or with everything below it. Folders that do not exist are left out.
  """
  @spec start_link([{Path.t(), below? :: boolean()}]) :: {:ok, pid()}
  def start_link(folders), do: GenServer.start_link(__MODULE__, {folders, self()})

  @doc "Who watches."
  @spec how(pid()) :: how()
  def how(events), do: GenServer.call(events, :how)

  @doc "Ends it."
  @spec stop(pid()) :: :ok
  def stop(events), do: GenServer.stop(events)

  @impl true
  def init({folders, owner}) do
    state = %{owner: owner, folders: folders, tag: System.unique_integer([:positive])}

    case watch(state) do
      # The folders are watched as long as this reference is kept.
      {:ok, watch} -> {:ok, Map.merge(state, %{how: :system, watch: watch})}
      {:error, why} -> {:ok, look(Map.merge(state, %{how: {:polling, why}, seen: seen(folders)}))}
    end
  end

  @impl true
  def handle_call(:how, _from, state), do: {:reply, state.how, state}

  @impl true
  def handle_info({tag, _paths}, %{tag: tag} = state), do: {:noreply, changed(state)}

  def handle_info(:look, state) do
    seen = seen(state.folders)
    state = if seen == state.seen, do: state, else: changed(%{state | seen: seen})
    {:noreply, look(state)}
  end

  defp watch(%{tag: tag, folders: folders} = state) do
    with true <- Native.loaded?(),
         there = Enum.filter(folders, &File.dir?(elem(&1, 0))),
         {:error, {:missing, gone}} <- Native.watch(tag, there) do
      # It has gone in between.
      watch(%{state | folders: Enum.reject(folders, &(elem(&1, 0) == gone))})
    else
      false -> {:error, :no_native_library}
      {:ok, watch} -> {:ok, watch}
      {:error, {:limit, _}} -> {:error, :limit}
      {:error, why} -> {:error, why}
    end
  end

  defp changed(state) do
    send(state.owner, {:changed, self()})
    state
  end

  defp look(state) do
    Process.send_after(self(), :look, @every_ms)
    state
  end

  # A file that is saved again has another time, size or inode.
  defp seen(folders) do
    for {folder, below?} <- folders,
        path <-
          Path.wildcard(Path.join(folder, if(below?, do: "**", else: "*")), match_dot: true),
        do: {path, File.lstat(path, time: :posix)}
  end
end
