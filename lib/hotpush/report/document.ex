defmodule Hotpush.Report.Document do
  @moduledoc "A report as the JSON document of `--json`. Its schema is `priv/report.schema.json`. Pure."

  alias Hotpush.{Error, Plan, Report}
  alias Hotpush.Report.{JSON, Notices, Result}
  alias Hotpush.Error.Prose
  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.LastPush

  @version 2

  @doc "The version of this document and of that of `mix hotpush.devices`, which name devices alike."
  @spec version() :: pos_integer()
  def version, do: @version

  @doc "The document, on one line, without a line break."
  @spec of(Report.t()) :: String.t()
  def of(%Report{} = report) do
    JSON.encode(
      version: @version,
      ok: Report.exit_status(report) == 0,
      dry_run: report.dry_run?,
      devices: Enum.map(report.outcomes, &device(&1, report))
    )
  end

  @doc "The document of a run that ended before any device was visited."
  @spec of_error(Error.t()) :: String.t()
  def of_error(%Error{} = error) do
    JSON.encode(version: @version, ok: false, dry_run: false, devices: [], error: error(error))
  end

  @doc """
  The fields that identify a device in every document: its name, how it is reached (from `kind`), its
  node if it has one, and its node, host or serial number as it was asked for.

      iex> Hotpush.Report.Document.identity("porch", :ssh, nil, "nerves-1a2b.local")
      [name: "porch", transport: "ssh", node: nil, destination: "nerves-1a2b.local"]
  """
  @spec identity(
          String.t(),
          :node | :ssh | :adb | nil,
          node() | String.t() | nil,
          String.t() | nil
        ) ::
          keyword()
  def identity(name, kind, node, destination) do
    transport = %{node: "distribution", ssh: "ssh", adb: "adb"}[kind]
    [name: name, transport: transport, node: node && to_string(node), destination: destination]
  end

  defp device(%Result{target: target} = outcome, report) do
    plan = outcome.plan || %Plan{}

    identity(target.name, kind(target.way), target.node, target.address || target.name) ++
      [
        status: outcome.status,
        loaded: outcome.loaded,
        added: outcome.added,
        deleted: outcome.deleted,
        unchanged: outcome.unchanged,
        planned: Steps.document(plan),
        refused: Enum.map(outcome.refusals, &error/1),
        failed: Enum.map(outcome.failures, &error/1),
        notices: Enum.map(outcome.notices, &notice(&1, outcome)),
        last_push: LastPush.document(outcome.device && outcome.device.last_push),
        bytes: [sent: outcome.sent, received: outcome.received],
        round_trips: outcome.round_trips,
        ms: milliseconds(Report.ms(report, outcome))
      ]
  end

  defp kind({kind, _}), do: kind
  defp kind({kind, _, _}), do: kind
  defp kind(_none), do: nil

  defp error(error) do
    [
      kind: Prose.kind(error),
      subject: subject(error.subject),
      message: Error.message(error)
    ] ++ count(error.reason)
  end

  defp count({:more_problems, count}), do: [count: count]
  defp count(_reason), do: []

  defp subject(nil), do: nil
  defp subject(subject), do: to_string(subject)

  defp notice(notice, outcome),
    do: [kind: elem(notice, 0), message: Notices.sentence(notice, outcome)]

  defp milliseconds(ms) do
    for key <- [:start, :compile, :scan, :connect, :ask, :send, :load, :rest] do
      {key, Float.round(Keyword.get(ms, key, 0) / 1, 3)}
    end
  end
end
