defmodule Hotpush.Scanner.Behaviour do
  @moduledoc "What both scanners do, with the same answers: each is tested against the other."

  alias Hotpush.Scanner

  @doc """
  Reads every `*.beam` directly inside each folder.

  Entries come sorted by module name, problems by path. Where two folders have the same module,
  the first one's stays, and the other is a problem.

  Options:

    * `:keep` - names of further chunks to keep, such as `"Docs"`
    * `:manifest` - path of the cache file, or `nil`
    * `:overlay` - how many of the first folders silently win over those behind them, such as
      that of the consolidated protocols; default 0. There a bad file still hides the one that
      it stands for
  """
  @callback scan(dirs :: [Path.t()], keyword()) :: Scanner.scan()

  @doc """
  Says which local modules the device does not run, and which it runs that are not local.

  An answer with no MD5 counts as no answer. A stamp outweighs the `Line` chunk: that one is of
  the device's file, the stamp of the code that runs.
  """
  @callback diff([Scanner.entry()], [Scanner.answer()]) :: Scanner.diff()

  @doc """
  Strips, stamps and gzips files, in the order given. `app` goes into the stamp.

  Option: `:keep`, as for `c:scan/2`.
  """
  @callback pack([{path :: String.t(), app :: String.t()}], keyword()) ::
              [{:ok, Scanner.packed()} | {:error, Scanner.problem()}]
end
