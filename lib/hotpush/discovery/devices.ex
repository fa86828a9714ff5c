defmodule Hotpush.Discovery.Devices do
  @moduledoc """
  The devices that there are: those of configuration, whether they answer or not, and those that
  discovery finds. Asked what they run are only those that configuration names or that the
  developer confirmed, since who is asked is offered a cookie or a key; the others are listed.
  """

  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Names, Search, Survey, Trust}
  alias Hotpush.{Config, Error, Project, Scanner}
  alias Hotpush.Transport.Targets
  alias Hotpush.Project.Builder
  alias Hotpush.Push.Visit

  # What is kept back of the timeout, to write down what was learnt.
  @spare_ms 100
  # Announcements come within this time, or late at all.
  @search_ms 2_000

  @doc """
  Lists them within `config.timeout` ms. `only` is some of `Hotpush.Discovery.names/0`.

  Those of configuration are asked while others are still looked for, so they have all of the time.
  The errors beside the rows are those of ways that failed.
  """
  @spec list(Config.t(), Project.t(), Confirmed.t(), [atom()]) :: {[Row.t()], [Error.t()]}
  def list(%Config{} = config, %Project{} = project, %Confirmed{} = confirmed, only \\ []) do
    deadline = now() + config.timeout - min(@spare_ms, div(config.timeout, 4))
    builder = Builder.scan(project, Scanner.default())
    # A scan that takes longer than there is time costs the comparison alone.
    enough = deadline - min(2 * @spare_ms, div(config.timeout, 4))
    inventory = fn -> Builder.inventory(builder, left(enough, 1)) end
    visit = %Visit{config: config, project: project, scanner: Scanner.default()}
    targets = &Targets.list(%{config | targets: &1}, project.state_dir)

    # A node under .local may have to be looked for before it can be asked.
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
  Searches, for at most half of `config.timeout`. Names under `.local` are known from then on,
  until `Hotpush.Discovery.Names.give_back/0`. `lent` is called as soon as those that configuration
  names are.
  """
  @spec find(Config.t(), [atom()], (() -> any())) :: {[Found.t()], [Error.t()]}
  def find(config, only \\ [], lent \\ fn -> :ok end) do
    timeout = min(@search_ms, max(div(config.timeout, 2), 1))
    hosts = Names.hosts(config.targets)
    needed = for %{way: {:adb, _, _}} <- config.targets, uniq: true, do: :adb
    options = [timeout: timeout, only: only, needed: needed]
    options = options ++ [own: config.discovery, hosts: hosts]
    search = Task.async(fn -> Search.all(options) end)

    # Meanwhile: the hosts of configuration, whatever they announce.
    Names.lend(hosts, timeout)
    lent.()
    {found, errors} = Task.await(search, :infinity)
    Names.learn(found)
    {found, errors}
  end

  @doc """
  Sorts what was found by who may be asked: see `Hotpush.Discovery.Trust.sort/4`. Reading the
  host keys of those that were confirmed by one takes at most `timeout` ms.
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
