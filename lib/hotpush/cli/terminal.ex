defmodule Hotpush.CLI.Terminal do
  @moduledoc "What may be sent to the terminal, if there is one."

  @doc "Whether text may be colored: on a terminal, unless `NO_COLOR` is set."
  @spec color?() :: boolean()
  def color?, do: IO.ANSI.enabled?() and System.get_env("NO_COLOR", "") == ""
end
