defmodule Hotpush.Push.Stopwatch do
  @moduledoc "Measures how long steps take, for the report."

  @doc "Returns the current time in milliseconds, on the clock of `started/0`."
  @spec now() :: float()
  def now, do: System.monotonic_time(:microsecond) / 1000

  @doc "Returns when this VM started, which is when the user of a command began to wait."
  @spec started() :: float()
  def started,
    do: System.convert_time_unit(:erlang.system_info(:start_time), :native, :microsecond) / 1000

  @doc "Returns the result of `fun`, and how many milliseconds it took."
  @spec timed((() -> result)) :: {result, float()} when result: term()
  def timed(fun) do
    start = System.monotonic_time(:microsecond)
    result = fun.()
    {result, (System.monotonic_time(:microsecond) - start) / 1000}
  end
end
