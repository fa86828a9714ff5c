defmodule Hotpush.Push.Stopwatch do
  @moduledoc "Measures what a step takes, for the report."

  @doc "Now, in milliseconds of the clock of `started/0`."
  @spec now() :: float()
  def now, do: System.monotonic_time(:microsecond) / 1000

  @doc "When this VM was started: with it began what whoever typed a command waits for."
  @spec started() :: float()
  def started,
    do: System.convert_time_unit(:erlang.system_info(:start_time), :native, :microsecond) / 1000

  @doc "What `fun` returns, and how many milliseconds it took."
  @spec timed((() -> result)) :: {result, float()} when result: term()
  def timed(fun) do
    start = System.monotonic_time(:microsecond)
    result = fun.()
    {result, (System.monotonic_time(:microsecond) - start) / 1000}
  end
end
