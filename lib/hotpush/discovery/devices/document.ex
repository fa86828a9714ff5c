defmodule Hotpush.Discovery.Devices.Document do
  @moduledoc """
  The devices as the JSON document of `mix hotpush.devices --json`. Its schema is
  `priv/devices.schema.json`. Pure.
  """

  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.Trust
  alias Hotpush.Error
  alias Hotpush.Protocol.LastPush
  alias Hotpush.Report.{Document, JSON}
  alias Hotpush.Error.Prose

  @doc "The document, on one line, without a line break."
  @spec of([Row.t()], [Error.t()]) :: String.t()
  def of(rows, errors) do
    JSON.encode(
      version: Document.version(),
      ok: true,
      devices: Enum.map(rows, &device/1),
      errors: Enum.map(errors, &error/1)
    )
  end

  @doc "The document of a run that ended with an error."
  @spec of_error(Error.t()) :: String.t()
  def of_error(%Error{} = error),
    do: JSON.encode(version: Document.version(), ok: false, devices: [], errors: [error(error)])

  defp device(row) do
    {kind, destination} = row.way || {nil, nil}

    Document.identity(Row.title(row), kind, row.node, destination) ++
      [
        found_by: Enum.map(row.how, &(&1 |> inspect() |> String.trim_leading(":"))),
        host: row.host,
        addresses: row.addresses,
        state: row.state,
        otp: row.otp,
        elixir: row.elixir,
        app_version: row.app_version,
        modules_differ: row.differs,
        up_since: up_since(row.up_since),
        last_push: LastPush.document(row.last_push),
        problems: Enum.map(row.problems, &error/1),
        add: if(Row.addable?(row), do: Enum.join(Trust.snippet(row.way), "\n") <> "\n")
      ]
  end

  defp up_since(nil), do: nil

  defp up_since(seconds) do
    case DateTime.from_unix(seconds) do
      {:ok, time} -> DateTime.to_iso8601(time)
      {:error, _} -> nil
    end
  end

  defp error(error), do: [kind: Prose.kind(error), message: Error.message(error)]
end
