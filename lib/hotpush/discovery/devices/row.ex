defmodule Hotpush.Discovery.Devices.Row do
  @moduledoc """
  One line of `mix hotpush.devices`. Pure.

    * `:nickname` - its name in hotpush.toml
    * `:how` - `:config`, and the ways that found it
    * `:name` - its node or host, or its serial number
    * `:way` - how to reach it, as text
    * `:node` - its node, if it is known to have one
    * `:state` - `:answered`, `:silent` (it did not answer) or `:listed` (not asked, because it must
      not be, or because its cookie is missing)
    * `:otp`, `:elixir`, `:app_version` - strings, if it answered
    * `:differs` - how many modules differ from this build; `nil` if unknown
    * `:up_since` - seconds since 1970
    * `:last_push` - who pushed last, if a push noted it
    * `:problems` - errors: why it does not answer, or would be refused
    * `:target` - how it is asked; `nil` where it must not be
  """

  alias Hotpush.Discovery.{Found, Trust}
  alias Hotpush.Error
  alias Hotpush.Plan.Steps
  alias Hotpush.Config.Target
  alias Hotpush.Protocol.{Device, LastPush}
  alias Hotpush.Report.Result

  defstruct [:nickname, :name, :way, :node, :host, :target, :otp, :elixir, :app_version] ++
              [
                :differs,
                :up_since,
                :last_push,
                how: [],
                addresses: [],
                state: :listed,
                problems: []
              ]

  @type t :: %__MODULE__{
          nickname: String.t() | nil,
          how: [atom()],
          name: String.t(),
          way: {:node | :ssh | :adb, String.t()} | nil,
          node: node() | String.t() | nil,
          host: String.t() | nil,
          addresses: [String.t()],
          target: Target.t() | nil,
          state: :answered | :silent | :listed,
          otp: String.t() | nil,
          elixir: String.t() | nil,
          app_version: String.t() | nil,
          differs: non_neg_integer() | nil,
          up_since: integer() | nil,
          last_push: LastPush.t() | nil,
          problems: [Error.t()]
        }

  @doc "The rows of what was sorted: first the configured devices, then the confirmed ones."
  @spec of(Trust.sorted()) :: [t()]
  def of(sorted) do
    Enum.map(sorted.named, fn {target, found} -> named(target, found) end) ++
      Enum.map(sorted.confirmed, fn {found, way, keys} ->
        %{found(found, way, []) | target: Trust.target(found, way, keys)}
      end) ++
      Enum.map(sorted.unknown, fn {found, way, error} -> found(found, way, List.wrap(error)) end)
  end

  defp named(target, found) do
    %__MODULE__{
      nickname: target.nickname,
      name: target.address,
      way: {elem(target.way, 0), target.address},
      node: target.node,
      target: target,
      host: Enum.find_value(found, & &1.host),
      how: [:config | found |> Enum.flat_map(&[&1.how | &1.also]) |> Enum.uniq()],
      addresses: found |> Enum.flat_map(& &1.addresses) |> Enum.uniq(),
      problems: for(%{notice: %Error{} = notice} <- found, do: notice)
    }
  end

  defp found(found, way, problems) do
    %__MODULE__{
      name: if(way, do: elem(way, 1), else: found.name),
      way: way,
      node: node_of(way),
      host: found.host,
      how: [found.how | found.also],
      addresses: found.addresses,
      problems: problems ++ List.wrap(found.notice)
    }
  end

  defp node_of({:node, node}), do: node
  defp node_of(_way), do: nil

  @doc """
  The rows with what came of asking, by target. `own` are the project's own applications: the version of
  the first that the device has is shown.
  """
  @spec answered([t()], %{Target.t() => Result.t()}, [String.t()]) :: [t()]
  def answered(rows, outcomes, own) do
    Enum.map(rows, &answer(&1, &1.target && outcomes[&1.target], own))
  end

  defp answer(row, nil, _own), do: row

  # It was not asked, since its cookie is missing.
  defp answer(row, %Result{target: %{cookie_error: %Error{}}} = outcome, _own),
    do: %{row | problems: problems(row, outcome)}

  defp answer(row, %Result{device: nil} = outcome, _own),
    do: %{row | state: :silent, problems: problems(row, outcome)}

  defp answer(row, %Result{device: device, plan: plan} = outcome, own) do
    %{
      row
      | state: :answered,
        otp: device.otp,
        elixir: device.elixir,
        app_version: Enum.find_value(own, &version(device, &1)),
        differs: plan && Steps.changes(plan.steps),
        node: outcome.target.node || row.node,
        up_since: Device.up_since(device),
        last_push: device.last_push,
        problems: problems(row, outcome)
    }
  end

  defp version(%{apps: apps}, app) do
    case apps[app] do
      %{vsn: vsn} when vsn != "" -> vsn
      # The device does not have it, or not as an application.
      _ -> nil
    end
  end

  # Problems of the search are kept; those of asking come after them.
  defp problems(row, outcome) do
    case outcome.refusals ++ outcome.failures do
      [] -> []
      told -> Enum.uniq(row.problems ++ told)
    end
  end

  @doc "Whether it was found but must not be asked. The list then shows how to add it."
  @spec addable?(t()) :: boolean()
  def addable?(row), do: row.target == nil and row.way != nil

  @doc """
  Whether it is a node of this computer that only epmd knows. Most likely, such a node runs for other
  reasons.
  """
  @spec bystander?(t()) :: boolean()
  def bystander?(row), do: addable?(row) and row.how == [:epmd] and Found.here?(row)

  @doc "The name of the device for people."
  @spec title(t()) :: String.t()
  def title(row), do: row.nickname || row.name
end
