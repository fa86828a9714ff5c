defmodule Hotpush.Scanner.Portable.Diff do
  @moduledoc """
  What the device does not run, and what only the device runs. Pure.
  """

  alias Hotpush.Scanner

  # A shorter prefix of a digest proves nothing.
  @min_prefix 7

  @doc "The entries whose digest decides: the device runs their code, and answered a stamp."
  @spec stamped([Scanner.entry()], [Scanner.answer()]) :: [Scanner.entry()]
  def stamped(entries, answers) do
    known = known(answers)

    for entry <- entries,
        {md5, stamp, _line} <- [known[entry.module]],
        stamp != "" and code?(entry, md5),
        do: entry
  end

  @doc """
  See `c:Hotpush.Scanner.Behaviour.diff/2`. `digests` are by path, of the entries that have none
  themselves. Where one is missing, its file went away or changed: packing it will say so.
  """
  @spec diff([Scanner.entry()], [Scanner.answer()], %{String.t() => binary()}) :: Scanner.diff()
  def diff(entries, answers, digests) do
    known = known(answers)

    changed =
      for entry <- entries,
          reason = reason(entry, known[entry.module], digests),
          do: {entry.module, reason}

    local = MapSet.new(entries, & &1.module)
    gone = for {module, _answer} <- known, module not in local, do: module

    %{
      changed: Enum.sort(changed),
      gone: Enum.sort(gone),
      unchanged: length(entries) - length(changed)
    }
  end

  # If there are two answers, the first one counts. An answer without an MD5 does not count.
  defp known(answers) do
    for {module, md5, stamp, line} <- Enum.reverse(answers),
        md5 != "",
        into: %{},
        do: {module, {md5, stamp, line}}
  end

  defp reason(_entry, nil, _digests), do: :new

  defp reason(entry, {md5, stamp, line}, digests) do
    cond do
      not code?(entry, md5) -> :code
      # The stamp describes the code that runs; the device's file may have changed since.
      stamp != "" -> if same?(stamp, digest(entry, digests)), do: nil, else: :lines
      line == "" or same?(line, entry.line_md5) -> nil
      true -> :lines
    end
  end

  defp code?(entry, md5), do: same?(md5, entry.md5) or same?(md5, entry.bare_md5)

  defp digest(%{digest: digest}, _digests) when is_binary(digest), do: digest
  defp digest(%{path: path}, digests), do: Map.get(digests, path, "")

  defp same?(prefix, whole),
    do: byte_size(prefix) >= @min_prefix and String.starts_with?(whole, prefix)
end
