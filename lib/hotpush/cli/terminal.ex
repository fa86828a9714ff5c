defmodule Hotpush.CLI.Terminal do
  @moduledoc "What the terminal may be sent, if there is one."

  @doc "Whether text may have colors: on a terminal, unless `NO_COLOR` is set."
  @spec color?() :: boolean()
  def color?, do: IO.ANSI.enabled?() and System.get_env("NO_COLOR", "") == ""
end
