defmodule Hotpush.Stopwatch do
  @moduledoc "Measures what a step takes, for the report."

  @doc "What `fun` returns, and how many milliseconds it took."
  @spec timed((() -> result)) :: {result, float()} when result: term()
  def timed(fun) do
    start = System.monotonic_time(:microsecond)
    result = fun.()
    {result, (System.monotonic_time(:microsecond) - start) / 1000}
  end
end
