# Draws what comes on standard input as a picture of a terminal, on standard output.
#
#     bin/demo | elixir guides/images/terminal.exs > guides/images/demo.svg

lines =
  IO.stream(:stdio, :line)
  |> Enum.map(&String.trim_trailing/1)
  |> Enum.drop_while(&(&1 == ""))
  # The node of a demo has the number of its process in its name.
  |> Enum.map(&String.replace(&1, ~r/blinky_\d+@/, "blinky@"))

escape = fn text ->
  text
  |> String.replace("&", "&amp;")
  |> String.replace("<", "&lt;")
  |> String.replace(">", "&gt;")
end

# Colour by what a line is: a step, a success, a removed or an added line.
colour = fn
  "== " <> _ -> "#7aa2f7"
  "Successfully" <> _ -> "#9ece6a"
  "- " <> _ -> "#f7768e"
  "+ " <> _ -> "#9ece6a"
  _ -> "#c0caf5"
end

height = 20
width = 24 + 8.0 * (lines |> Enum.map(&String.length/1) |> Enum.max())

text =
  for {line, row} <- Enum.with_index(lines), line != "" do
    ~s(<text x="16" y="#{56 + row * height}" fill="#{colour.(line)}">#{escape.(line)}</text>\n)
  end

IO.write("""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 #{round(width)} #{64 + length(lines) * height}" \
role="img" aria-label="A terminal: mix upload.hotswap changes what a running device answers">
<rect width="100%" height="100%" rx="8" fill="#1a1b26"/>
<circle cx="20" cy="18" r="6" fill="#f7768e"/><circle cx="40" cy="18" r="6" fill="#e0af68"/>\
<circle cx="60" cy="18" r="6" fill="#9ece6a"/>
<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" \
xml:space="preserve">
#{text}</g>
</svg>
""")
