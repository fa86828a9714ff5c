defmodule Hotpush.Scanner.Behaviour do
  @moduledoc "The behaviour of both scanners. They return the same: each is tested against the other."

  alias Hotpush.Scanner

  @doc """
  Reads every `*.beam` directly inside each folder.

  Entries are sorted by module name, problems by path. If two folders have the same module, the first
  one is used, and the other one is a problem.

  Options:

    * `:keep` - names of additional chunks to keep, such as `"Docs"`
    * `:manifest` - path of the cache file, or `nil`
    * `:overlay` - how many of the first folders silently replace modules of the folders after them, as
      that of the consolidated protocols does; default 0. A bad file there still hides the file that
      it replaces
  """
  @callback scan(dirs :: [Path.t()], keyword()) :: Scanner.scan()

  @doc """
  Returns the local modules that the device does not run, and the device's modules that are not local.

  An answer without an MD5 counts as no answer. A stamp takes precedence over the `Line` chunk, which
  describes the device's file, while the stamp describes the code that runs.
  """
  @callback diff([Scanner.entry()], [Scanner.answer()]) :: Scanner.diff()

  @doc """
  Strips and stamps files, in the order given. `app` goes into the stamp.

  Option: `:keep`, as for `c:scan/2`.
  """
  @callback pack([{path :: String.t(), app :: String.t()}], keyword()) ::
              [{:ok, Scanner.packed()} | {:error, Scanner.problem()}]
end
