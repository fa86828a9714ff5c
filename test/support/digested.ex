defmodule Hotpush.Test.Digested do
  @moduledoc "What a scanner answers, with all content digests: the portable one leaves them out."

  alias Hotpush.Scanner.Portable.Digests

  @doc "The scan."
  @spec scan(Hotpush.Scanner.scan()) :: Hotpush.Scanner.scan()
  def scan(scan), do: Map.update!(scan, :entries, &entries/1)

  @doc "The entries."
  @spec entries([Hotpush.Scanner.entry()]) :: [Hotpush.Scanner.entry()]
  def entries(entries) do
    digests = Digests.of(entries)
    for entry <- entries, do: %{entry | digest: digests[entry.path] || entry.digest}
  end
end
