defmodule Hotpush.Discovery.Devices.Table do
  @moduledoc """
  The devices as lines for people: `{:info | :error, text}`, control characters escaped. Pure.
  """

  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.Trust
  alias Hotpush.Protocol.LastPush
  alias Hotpush.{Error, Text}

  @columns ["DEVICE", "FOUND BY", "NODE OR HOST", "ADDRESS", "OTP", "ELIXIR", "APP"] ++
             ["DIFFER", "UP SINCE (UTC)"]

  # At most so many names of other nodes are listed.
  @named 10

  @doc """
  A table, then the problems of devices, and how to add those that were not asked. Other nodes of
  this computer have a line of their own.
  """
  @spec lines([Row.t()], [Error.t()]) :: [{:info | :error, String.t()}]
  def lines(rows, errors) do
    listed = Enum.reject(rows, &Row.bystander?/1)
    printable(table(listed) ++ add_lines(rows) ++ failures(errors))
  end

  defp printable(lines), do: for({level, text} <- lines, do: {level, Text.printable(text)})

  defp table([]), do: [{:info, "No device was found, and the configuration names none."}]

  defp table(rows) do
    noted? = Enum.any?(rows, & &1.last_push)
    cells = [columns(noted?) | Enum.map(rows, &(cells(&1) ++ last_push(&1, noted?)))]
    widths = cells |> Enum.zip_with(& &1) |> Enum.map(&widest/1)

    for row <- cells do
      {:info, row |> Enum.zip_with(widths, &String.pad_trailing/2) |> Enum.join("  ") |> trim()}
    end
  end

  defp columns(noted?), do: if(noted?, do: @columns ++ ["LAST PUSH"], else: @columns)

  defp last_push(_row, false), do: []
  defp last_push(%{last_push: nil}, true), do: ["-"]
  defp last_push(%{last_push: last}, true), do: [Text.printable(LastPush.text(last))]

  defp widest(column), do: column |> Enum.map(&String.length/1) |> Enum.max()
  defp trim(line), do: String.trim_trailing(line)

  defp cells(row) do
    cells =
      [row.nickname, how(row.how), row.name, List.first(row.addresses), said(row.otp)] ++
        [
          said(row.elixir),
          said(row.app_version),
          row.differs && to_string(row.differs),
          up_since(row.up_since)
        ]

    Enum.map(cells, &Text.printable(&1 || "-"))
  end

  defp said(text), do: text && Text.name(text)

  defp how(how), do: Enum.map_join(how, ", ", &(&1 |> inspect() |> String.trim_leading(":")))

  defp up_since(nil), do: nil

  defp up_since(seconds) do
    case DateTime.from_unix(seconds) do
      {:ok, time} -> Calendar.strftime(time, "%Y-%m-%d %H:%M")
      {:error, _} -> nil
    end
  end

  defp notes(rows) do
    for row <- rows,
        error <- row.problems,
        do: {:error, headed(plain(Error.message(error)), plain(Row.title(row)))}
  end

  # A regular expression accepts only valid text.
  defp plain(text), do: Text.printable(text)

  # A sentence that names the device needs no title.
  defp headed(sentence, title) do
    if sentence =~ ~r/(^|\s)#{Regex.escape(title)}(?![\w.@-]*\w)/u,
      do: sentence,
      else: "#{title}: #{sentence}"
  end

  @doc "How to add the devices that were not asked."
  @spec add([Row.t()]) :: [{:info | :error, String.t()}]
  def add(rows), do: printable(add_lines(rows))

  defp add_lines(rows) do
    {bystanders, rows} = Enum.split_with(rows, &Row.bystander?/1)
    notes(rows) ++ adding(rows) ++ bystanders(bystanders)
  end

  defp bystanders([]), do: []

  defp bystanders(rows) do
    {named, more} = rows |> Enum.map(& &1.name) |> Enum.split(@named)
    more = if more == [], do: "", else: " and #{length(more)} more"

    [
      {:info,
       "#{others(length(rows))} of this computer, not asked: #{Enum.join(named, ", ")}#{more}. " <>
         "If one is your device, name it in hotpush.toml or with mix upload.hotswap --node NAME."}
    ]
  end

  defp others(count), do: Text.count(count, "other node")

  defp adding(rows) do
    case Enum.filter(rows, &Row.addable?/1) do
      [] ->
        []

      unknown ->
        count = Text.count(length(unknown), "device")

        [
          {:info,
           "#{count} found but neither named nor confirmed, so not asked and not offered a cookie " <>
             "or a key. To add one, confirm it once with mix upload.hotswap --discover in a " <>
             "terminal, or write into hotpush.toml:"}
        ] ++ Enum.flat_map(unknown, fn row -> snippet(row.way) end)
    end
  end

  defp snippet(way), do: for(line <- Trust.snippet(way), do: {:info, "    " <> line})

  # A missing program is not a failure.
  defp failures(errors) do
    for error <- errors do
      missing? = error.reason in [:adb_missing, :no_native_library]
      {if(missing?, do: :info, else: :error), Error.message(error)}
    end
  end
end
