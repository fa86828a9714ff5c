defmodule Hotpush.Test.Until do
  @moduledoc "Waits for a condition, never for a time."

  @doc """
  Calls `fun` until it returns a truthy value, and returns that value.

  Raises after `timeout` milliseconds. `label` says what it waited for.
  """
  @spec until(String.t(), (... -> value), timeout :: pos_integer) :: value when value: term
  def until(label, fun, timeout \\ 10_000) do
    poll(label, fun, System.monotonic_time(:millisecond) + timeout, timeout)
  end

  defp poll(label, fun, deadline, timeout) do
    cond do
      value = fun.() -> value
      System.monotonic_time(:millisecond) > deadline -> raise "waited #{timeout} ms for #{label}"
      true -> poll_later(label, fun, deadline, timeout)
    end
  end

  # The time between two checks. Nothing depends on it.
  defp poll_later(label, fun, deadline, timeout) do
    receive do
    after
      10 -> poll(label, fun, deadline, timeout)
    end
  end
end
