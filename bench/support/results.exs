defmodule Hotpush.Bench.Results do
  @moduledoc "Figures beside their targets: on the screen, and as JSON with one figure a line."

  @doc """
  A figure. `wanted` is `{:at_most | :at_least | :exactly, number}`; `unit` comes after both
  numbers.
  """
  def figure(name, value, unit, {relation, target}) do
    %{name: name, value: round2(value), unit: unit, relation: relation, target: target}
  end

  defp met?(%{relation: :at_most} = f), do: f.value <= f.target
  defp met?(%{relation: :at_least} = f), do: f.value >= f.target
  defp met?(%{relation: :exactly} = f), do: f.value == f.target

  @doc "Prints the figures."
  def print(figures) do
    for f <- figures do
      mark = if met?(f), do: "met   ", else: "MISSED"
      IO.puts("#{mark} #{f.name}: #{f.value} #{f.unit} (#{wanted(f)})")
    end
  end

  @doc "Writes figures, machine facts and measures (`[name: number]`)."
  def write(path, figures, machine, measures) do
    lines =
      [~s("machine": #{Hotpush.Report.JSON.encode(machine)})] ++
        [~s("figures": [\n#{Enum.map_join(figures, ",\n", &("    " <> line(&1)))}\n  ])] ++
        for {name, number} <- measures, do: ~s("#{name}": #{round2(number)})

    File.mkdir_p!(Path.dirname(path))
    File.write!(path, "{\n  " <> Enum.join(lines, ",\n  ") <> "\n}\n")
  end

  @doc "The measures of a file that `write/4`, or another bench, wrote: `%{name => number}`."
  def read(path) do
    for [_, name, number] <- Regex.scan(~r/^  "(\w+)": (\d+(?:\.\d+)?),?$/m, File.read!(path)),
        into: %{},
        do: {name, number |> Float.parse() |> elem(0)}
  end

  defp line(f) do
    Hotpush.Report.JSON.encode(
      figure: f.name,
      value: f.value,
      unit: f.unit,
      target: wanted(f),
      met: met?(f)
    )
  end

  defp wanted(f), do: "#{String.replace(to_string(f.relation), "_", " ")} #{f.target} #{f.unit}"

  defp round2(number) when is_integer(number), do: number
  defp round2(number), do: Float.round(number, 2)
end
