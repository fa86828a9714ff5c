defmodule Hotpush.Bench.Measure do
  @moduledoc "Times, medians, and how far they spread."

  @doc "Milliseconds that `fun` took, and what it answered."
  def timed(fun) do
    {us, result} = :timer.tc(fun)
    {us / 1000, result}
  end

  @doc "The middle one; of an even number, the mean of the two in the middle."
  def median(values) do
    sorted = Enum.sort(values)
    count = length(sorted)
    (Enum.at(sorted, div(count - 1, 2)) + Enum.at(sorted, div(count, 2))) / 2
  end

  @doc "The median of the ratios of what was measured side by side."
  def ratio(of, to), do: median(Enum.zip_with(of, to, &(&1 / &2)))

  @doc "Half of the values differ from their median by at most this share of it."
  def spread(values) do
    middle = median(values)
    median(Enum.map(values, &abs(&1 - middle))) / middle
  end

  @doc "What a reader has to know of the machine."
  def machine do
    [
      cores: System.schedulers_online(),
      otp: System.otp_release(),
      elixir: System.version(),
      scanner: if(Hotpush.Native.loaded?(), do: "native", else: "portable")
    ]
  end
end
