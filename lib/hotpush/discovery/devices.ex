defmodule Hotpush.Discovery.Devices do
  @moduledoc """
  The list of devices: those of the configuration, whether they answer or not, and those that
  discovery finds. Asking a device offers it a cookie or a key, so only devices that the configuration
  names or that the developer has confirmed are asked. The others are only listed.
  """

  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Names, Search, Survey, Trust}
  alias Hotpush.{Config, Error, Project, Scanner}
  alias Hotpush.Transport.Targets
  alias Hotpush.Project.Builder
  alias Hotpush.Push.Visit

  # The part of the timeout that is kept for writing the list.
  @spare_ms 100
  # Devices announce themselves within this time, or much later.
  @search_ms 2_000

  @doc """
  Lists the devices within `config.timeout` ms. `only` has some of `Hotpush.Discovery.names/0`.

  Devices of the configuration are asked while the search is still running, so they have the whole
  time. The errors are those of searches that failed.
  """
  @spec list(Config.t(), Project.t(), Confirmed.t(), [atom()]) :: {[Row.t()], [Error.t()]}
  def list(%Config{} = config, %Project{} = project, %Confirmed{} = confirmed, only \\ []) do
    deadline = now() + config.timeout - min(@spare_ms, div(config.timeout, 4))
    builder = Builder.scan(project, Scanner.default())
    # If the scan takes too long, only the comparison is missing.
    enough = deadline - min(2 * @spare_ms, div(config.timeout, 4))
    inventory = fn -> Builder.inventory(builder, left(enough, 1)) end
    visit = %Visit{config: config, project: project, scanner: Scanner.default()}
    targets = &Targets.list(%{config | targets: &1}, project.state_dir)

    # The name of a node under .local may have to be looked up before the node can be asked.
    {named, known} = Enum.split_with(config.targets, &local_node?/1)
    survey = Survey.start(%{visit | inventory: inventory}, targets.(known), left(deadline, 1))

    try do
      {found, errors} = find(config, only, fn -> Survey.add(survey, targets.(named)) end)
      rows = found |> sort(config, confirmed, left(deadline, 2)) |> Row.of()
      confirmed = for(row <- rows, row.target, do: row.target) -- config.targets
      Names.lend(Names.hosts(confirmed), left(deadline, 4))
      Survey.add(survey, targets.(confirmed))
      outcomes = Enum.zip(known ++ named ++ confirmed, Survey.results(survey))
      own = for app <- project.apps, app.kind == :own, do: to_string(app.name)
      {Row.answered(rows, Map.new(outcomes), own), errors}
    after
      Builder.stop(builder)
      Names.give_back()
    end
  end

  defp local_node?(%{way: {:node, node}}),
    do: node |> to_string() |> String.downcase() |> String.ends_with?(".local")

  defp local_node?(_route), do: false

  @doc """
  Searches, for at most half of `config.timeout`. From then on, names under `.local` are known, until
  `Hotpush.Discovery.Names.give_back/0`. `lent` is called as soon as those of the configuration are
  known.
  """
  @spec find(Config.t(), [atom()], (() -> any())) :: {[Found.t()], [Error.t()]}
  def find(config, only \\ [], lent \\ fn -> :ok end) do
    timeout = min(@search_ms, max(div(config.timeout, 2), 1))
    hosts = Names.hosts(config.targets)
    needed = for %{way: {:adb, _, _}} <- config.targets, uniq: true, do: :adb
    options = [timeout: timeout, only: only, needed: needed]
    options = options ++ [own: config.discovery, hosts: hosts]
    search = Task.async(fn -> Search.all(options) end)

    # Meanwhile, look up the hosts of the configuration, whatever they announce.
    Names.lend(hosts, timeout)
    lent.()
    {found, errors} = Task.await(search, :infinity)
    Names.learn(found)
    {found, errors}
  end

  @doc """
  Sorts what was found by whether it may be asked: see `Hotpush.Discovery.Trust.sort/4`. Reading the
  host keys of devices that were confirmed by a key takes at most `timeout` ms.
  """
  @spec sort([Found.t()], Config.t(), Confirmed.t(), pos_integer()) :: Trust.sorted()
  def sort(found, config, confirmed, timeout) do
    hosts = for ["ssh", host, _] <- confirmed.lines, uniq: true, do: host

    there = for one <- found, {:ssh, host} <- Trust.ways(one), host in hosts, uniq: true, do: host

    keys =
      there
      |> Task.async_stream(&{&1, HostKey.of(&1)},
        max_concurrency: 64,
        timeout: timeout,
        on_timeout: :kill_task
      )
      |> Enum.flat_map(fn
        {:ok, known} -> [known]
        _ -> []
      end)
      |> Map.new()

    Trust.sort(found, config.targets, confirmed, &Map.get(keys, &1, []))
  end

  # A part of the time that is left.
  defp left(deadline, part), do: max(div(deadline - now(), part), 1)

  defp now, do: System.monotonic_time(:millisecond)
end
