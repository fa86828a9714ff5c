defmodule Hotpush.Report.JSON do
  @moduledoc """
  Writes JSON (RFC 8259) on every supported Elixir: as much of it as Hotpush's documents need.

  Objects are keyword lists, so that their keys keep their order.
  """

  import Hotpush.Text, only: [is_hidden: 1]

  @doc ~S"""
      iex> Hotpush.Report.JSON.encode([a: 1, b: [true, nil, "x\"\n"], c: 1.5])
      ~S({"a":1,"b":[true,null,"x\"\n"],"c":1.5})
      iex> Hotpush.Report.JSON.encode([])
      "[]"
  """
  @spec encode(term()) :: String.t()
  def encode(term), do: term |> value() |> IO.iodata_to_binary()

  defp value(nil), do: "null"
  defp value(bool) when is_boolean(bool), do: to_string(bool)
  defp value(atom) when is_atom(atom), do: string(to_string(atom))
  defp value(integer) when is_integer(integer), do: to_string(integer)
  defp value(float) when is_float(float), do: :erlang.float_to_binary(float, [:short])
  defp value(text) when is_binary(text), do: string(text)

  defp value([{key, _} | _] = object) when is_atom(key) do
    pairs = Enum.map(object, fn {key, term} -> [string(to_string(key)), ?:, value(term)] end)
    [?{, Enum.intersperse(pairs, ?,), ?}]
  end

  defp value(list) when is_list(list),
    do: [?[, list |> Enum.map(&value/1) |> Enum.intersperse(?,), ?]]

  defp string(text), do: [?", escape(text, ""), ?"]

  # Builds one binary: a list would take a hundred bytes for each character.
  defp escape(<<char::utf8, rest::binary>>, done),
    do: escape(rest, <<done::binary, char(char)::binary>>)

  # A byte that is not valid UTF-8 becomes U+FFFD.
  defp escape(<<_, rest::binary>>, done), do: escape(rest, <<done::binary, "\uFFFD">>)
  defp escape("", done), do: done

  defp char(?"), do: ~S(\")
  defp char(?\\), do: ~S(\\)
  defp char(?\n), do: ~S(\n)
  defp char(?\t), do: ~S(\t)

  defp char(char) when is_hidden(char),
    do: "\\u" <> (char |> Integer.to_string(16) |> String.pad_leading(4, "0"))

  defp char(char), do: <<char::utf8>>
end
