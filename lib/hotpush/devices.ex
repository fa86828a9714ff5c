defmodule Hotpush.Devices do
  @moduledoc """
  The devices that there are: those of configuration, whether they answer or not, and those that
  discovery finds. Asked what they run are only those that configuration names or that the
  developer confirmed, since who is asked is offered a cookie or a key; the others are listed.
  """

  alias Hotpush.Devices.Row
  alias Hotpush.Discovery
  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Names, Survey, Trust}
  alias Hotpush.{Config, Error, Inventory, Project, Scanner, Target, Visit}

  # What is kept back of the timeout, to write down what was learnt.
  @spare_ms 100
  # Announcements come within this time, or late at all.
  @search_ms 2_000

  @doc """
  Lists them within `config.timeout` ms. `only` is some of `Hotpush.Discovery.names/0`.

  The errors beside the rows are those of ways that failed.
  """
  @spec list(Config.t(), Project.t(), Confirmed.t(), [atom()]) :: {[Row.t()], [Error.t()]}
  def list(%Config{} = config, %Project{} = project, %Confirmed{} = confirmed, only \\ []) do
    deadline = now() + config.timeout - min(@spare_ms, div(config.timeout, 4))
    scan = Task.async(fn -> Inventory.scan(project, Scanner.default()) end)

    try do
      {found, errors} = find(config, only)
      rows = found |> sort(config, confirmed, left(deadline, 2)) |> Row.of()
      asked = Enum.filter(rows, & &1.route)
      routes = Enum.map(asked, & &1.route)
      Names.lend(Names.hosts(routes -- config.routes), left(deadline, 4))
      inventory = scanned(scan, deadline)

      visit = %Visit{
        config: config,
        project: project,
        scanner: Scanner.default(),
        inventory: fn -> inventory end
      }

      targets = Target.list(%{config | routes: routes}, project.state_dir)
      outcomes = Survey.ask(visit, targets, left(deadline, 1))
      own = for app <- project.apps, app.kind == :own, do: to_string(app.name)
      {Row.answered(rows, Enum.zip(asked, outcomes), own), errors}
    after
      Task.shutdown(scan, :brutal_kill)
      Names.give_back()
    end
  end

  @doc """
  Searches, for at most half of `config.timeout`. Names under `.local` are known from then on,
  until `Hotpush.Discovery.Names.give_back/0`.
  """
  @spec find(Config.t(), [atom()]) :: {[Found.t()], [Error.t()]}
  def find(config, only \\ []) do
    timeout = min(@search_ms, max(div(config.timeout, 2), 1))
    hosts = Names.hosts(config.routes)
    options = [timeout: timeout, only: only, own: config.discovery, hosts: hosts]
    search = Task.async(fn -> Discovery.all(options) end)

    # Meanwhile: the hosts of configuration, whatever they announce.
    Names.lend(hosts, timeout)
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

    Trust.sort(found, config.routes, confirmed, &Map.get(keys, &1, []))
  end

  # A scan that takes longer than there is time costs the comparison alone.
  defp scanned(scan, deadline) do
    case Task.yield(scan, left(deadline, 2)) do
      {:ok, inventory} -> {:ok, inventory, :all}
      _ -> {:error, Error.new(:discover, "the build", :slow_scan)}
    end
  end

  # A part of the time that is left.
  defp left(deadline, part), do: max(div(deadline - now(), part), 1)

  defp now, do: System.monotonic_time(:millisecond)
end
