defmodule Hotpush.Scanner.Portable.Diff do
  @moduledoc """
  What the device does not run, and what only the device runs.
  """

  alias Hotpush.Scanner

  # A shorter prefix of a digest proves nothing.
  @min_prefix 7

  @doc "See `c:Hotpush.Scanner.diff/2`."
  @spec diff([Scanner.entry()], [Scanner.answer()]) :: Scanner.diff()
  def diff(entries, answers) do
    # If there are two answers, the first one counts. An answer without an MD5 does not count.
    known =
      for {module, md5, stamp, line} <- Enum.reverse(answers),
          md5 != "",
          into: %{},
          do: {module, {md5, stamp, line}}

    changed =
      for entry <- entries,
          reason = reason(entry, known[entry.module]),
          do: {entry.module, reason}

    local = MapSet.new(entries, & &1.module)
    gone = for {module, _answer} <- known, module not in local, do: module

    %{
      changed: Enum.sort(changed),
      gone: Enum.sort(gone),
      unchanged: length(entries) - length(changed)
    }
  end

  defp reason(_entry, nil), do: :new

  defp reason(entry, {md5, stamp, line}) do
    cond do
      not same?(md5, entry.md5) and not same?(md5, entry.bare_md5) -> :code
      # The stamp describes the code that runs; the device's file may have changed since.
      stamp != "" -> if same?(stamp, entry.digest), do: nil, else: :lines
      line == "" or same?(line, entry.line_md5) -> nil
      true -> :lines
    end
  end

  defp same?(prefix, whole),
    do: byte_size(prefix) >= @min_prefix and String.starts_with?(whole, prefix)
end
