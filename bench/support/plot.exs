defmodule Hotpush.Bench.Plot do
  @moduledoc "Bars as SVG, in colours that stand on a light page as well as on a dark one."

  @width 760
  @left 270
  @scale 330
  @bar 20
  @step 30
  @ours "#8957e5"
  @theirs "#848d97"
  # Middle greys: 4.5 times the contrast on white and on GitHub's dark page.
  @text "#767d86"
  @font "font-family=\"-apple-system,BlinkMacSystemFont,Segoe UI,Noto Sans,Helvetica,Arial,sans-serif\""

  @doc """
  Groups of bars below one another: `[{title, [{label, value, text, :ours | :theirs}]}]`. The
  longest bar of a group has the full length.
  """
  def svg(groups) do
    {shapes, height} = Enum.map_reduce(groups, 8, &group/2)

    """
    <svg xmlns="http://www.w3.org/2000/svg" width="#{@width}" height="#{height}" \
    viewBox="0 0 #{@width} #{height}" role="img" #{@font} font-size="13">
    <title>#{escape(Enum.map_join(groups, "; ", &elem(&1, 0)))}</title>
    #{shapes}</svg>
    """
  end

  defp group({title, bars}, y) do
    longest = bars |> Enum.map(&elem(&1, 1)) |> Enum.max()
    head = text(0, y + 18, title, ~s(font-size="14" font-weight="600"))
    {bars, y} = Enum.map_reduce(bars, y + 30, &bar(&1, &2, longest))
    {[head | bars], y + 14}
  end

  defp bar({label, value, said, whose}, y, longest) do
    length = max(Float.round(value / longest * @scale, 1), 2.0)
    weight = if whose == :ours, do: ~s(font-weight="600"), else: ""

    {[
       text(@left - 12, y + 15, label, ~s(text-anchor="end" #{weight})),
       ~s(<rect x="#{@left}" y="#{y}" width="#{length}" height="#{@bar}" rx="3" ),
       ~s(fill="#{if whose == :ours, do: @ours, else: @theirs}"/>\n),
       text(@left + length + 8, y + 15, said, weight)
     ], y + @step}
  end

  defp text(x, y, said, more),
    do: ~s(<text x="#{x}" y="#{y}" fill="#{@text}" #{more}>#{escape(said)}</text>\n)

  defp escape(text) do
    for {from, to} <- [{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}], reduce: text do
      text -> String.replace(text, from, to)
    end
  end
end
