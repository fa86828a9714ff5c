defmodule Hotpush.ErrorTest do
  @moduledoc "Every error has a message, even if nobody has written a sentence for its reason."
  use ExUnit.Case, async: true

  alias Hotpush.Error
  alias Hotpush.Error.Prose

  @stages [:usage, :compile, :scan, :discover, :connect, :ask, :refusal, :stage, :load, :fault]

  test "of a reason without a sentence, only its kind is shown" do
    for stage <- @stages,
        reason <- [:strange, {:strange, "sesame"}, {:strange, %{a: "sesame"}, 1, 2}, "sesame", {}],
        subject <- ["porch", :a@b, nil, {:no, "sesame"}] do
      message = Error.message(Error.new(stage, subject, reason))
      assert String.valid?(message) and message != "", inspect({stage, reason, subject})
      assert is_binary(Prose.kind(Error.new(stage, subject, reason)))
    end

    message = Error.message(Error.new(:connect, "porch", {:strange, "sesame"}))
    assert message == "porch: connect failed (strange). Please report this message."
  end

  # The reasons that have a sentence, from the heads of the functions that make it: {name, tuple size}.
  @prose [
    usage: ~w(usage settings),
    scan: ~w(scan),
    discover: ~w(discover),
    connect: ~w(connect ssh adb),
    refusal: ~w(refusal)
  ]

  test "every reason that has a sentence is documented under its stage, and no other is" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Hotpush.Error.Reasons)

    documented =
      for section <- doc |> String.split("## ") |> tl(),
          [title, text] = String.split(section, "\n", parts: 2),
          stage <- Regex.scan(~r/:(\w+)/, title, capture: :all_but_first),
          [term] <- Regex.scan(~r/`([^`]*)`/, text, capture: :all_but_first),
          String.starts_with?(term, [":", "{:"]),
          do: {String.to_existing_atom(hd(stage)), shape(Code.string_to_quoted!(term))}

    written =
      for {stage, files} <- @prose,
          file <- files,
          reason <- reasons("prose/#{file}.ex"),
          do: {stage, reason}

    device =
      for {[_subject, at], reason} <- heads("prose.ex", [:device]),
          stage <- if(is_atom(at), do: [at], else: [:ask, :stage, :load]),
          do: {stage, shape(reason)}

    kinds = for {[], kind} <- heads("prose/scan.ex", [:problem]), do: kind
    # The system's errors, with the system's names.
    system = [:unreadable, :dangling_link, :vanished, :missing_folder]

    scan =
      for(kind <- kinds, do: {:scan, {kind, 2}}) -- for kind <- tl(system), do: {:scan, {kind, 2}}

    scan = scan ++ for kind <- system, do: {:scan, {kind, 3}}

    top = [
      compile: {:compile, 2},
      compile: :syntax,
      fault: {:fault, 3},
      usage: {:settings_value, 2}
    ]

    written =
      for {stage, reason} <- written ++ device ++ scan ++ top, reason != nil, do: {stage, reason}

    {documented, written} = {Enum.uniq(documented), Enum.uniq(written)}
    assert {documented -- written, written -- documented} == {[], []}
  end

  defp reasons(file),
    do: for({_, reason} <- heads(file, [:sentence, :because]), do: shape(reason))

  # {all arguments but the last, the last one}
  defp heads(file, names) do
    source = File.read!(Path.join("lib/hotpush/error", file))

    {_, heads} =
      source
      |> Code.string_to_quoted!()
      |> Macro.prewalk([], fn
        {kind, _, [head | _]} = node, heads when kind in [:def, :defp] ->
          {name, _, arguments} = with {:when, _, [head | _]} <- head, do: head

          if name in names,
            do: {node, [List.pop_at(arguments, -1) | heads]},
            else: {node, heads}

        node, heads ->
          {node, heads}
      end)

    for {last, others} <- heads, do: {others, last}
  end

  defp shape({:=, _, [reason, _]}), do: shape(reason)
  defp shape({:{}, _, [name | _] = all}) when is_atom(name), do: {name, length(all)}
  defp shape({name, _}) when is_atom(name), do: {name, 2}
  defp shape(name) when is_atom(name), do: name
  defp shape(_variable), do: nil

  test "an error of the system is shown as one" do
    error = Error.new(:scan, "a.beam", {:unreadable, :eacces, "permission denied"})

    assert Error.message(error) ==
             "a.beam: Hotpush cannot read it (permission denied). " <>
               "Give your user permission to read it, and to enter the folders above it."

    assert Prose.kind(error) == "unreadable"
    full = Error.new(:scan, "a.beam", {:unreadable, :emfile, "too many open files"})
    assert Error.message(full) =~ "ulimit -n"
    gone = Error.new(:scan, "a.beam", {:vanished, :enoent, "was there a moment ago"})
    assert Error.message(gone) =~ "Run mix compile --force."
  end
end
