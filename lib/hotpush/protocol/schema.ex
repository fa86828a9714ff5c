defmodule Hotpush.Protocol.Schema do
  @moduledoc """
  Checks a term against a schema, which is data. Pure. `Hotpush.Protocol.Answer` has the schemas.

    * `{:exactly, value}`, `{:any_of, schemas}`, `{:tuple, schemas}`, `{:list, schema}`
    * `{:map, fields}` - exactly these fields
    * `{:bytes, most}`, `{:size, bytes}` - a binary of at most, or of exactly, so many bytes
    * `:text` - of at most 1,000 bytes; `:version` - a text that starts like a version
    * `:name` - of a module, an application or a function, as a string; `:name_or_none` - or `""`
    * `:names` - any number of names, joined with a zero byte
    * `:integer` - of at most 64 bits; `:atom`, `:boolean`
  """

  # Far more than any project has, and not too many for this host.
  @items 50_000
  # The joined names of one application.
  @joined 2 * 1024 * 1024
  @text 1_000

  @type t :: atom() | {atom(), term()}

  @doc "The longest list that fits."
  @spec items() :: pos_integer()
  def items, do: @items

  @doc "The longest joined names that fit, in bytes."
  @spec joined() :: pos_integer()
  def joined, do: @joined

  @doc """
  Whether a term fits.

      iex> Hotpush.Protocol.Schema.fits?({:busy, [1, 2]}, {:tuple, [{:exactly, :busy}, {:list, :integer}]})
      true
      iex> Hotpush.Protocol.Schema.fits?(%{a: 1, b: 2}, {:map, %{a: :integer}})
      false
  """
  @spec fits?(term(), t()) :: boolean()
  def fits?(term, {:exactly, value}), do: term === value
  def fits?(term, {:any_of, schemas}), do: Enum.any?(schemas, &fits?(term, &1))
  def fits?(term, {:bytes, most}), do: is_binary(term) and byte_size(term) <= most
  def fits?(term, {:size, bytes}), do: is_binary(term) and byte_size(term) == bytes

  def fits?(term, {:tuple, schemas}) do
    is_tuple(term) and tuple_size(term) == length(schemas) and
      term
      |> Tuple.to_list()
      |> Enum.zip(schemas)
      |> Enum.all?(fn {part, schema} -> fits?(part, schema) end)
  end

  def fits?(term, {:list, schema}), do: all?(term, schema, @items)

  def fits?(term, {:map, fields}) do
    is_map(term) and map_size(term) == map_size(fields) and
      Enum.all?(fields, fn {key, schema} ->
        case term do
          %{^key => value} -> fits?(value, schema)
          _ -> false
        end
      end)
  end

  def fits?(term, :atom), do: is_atom(term)
  def fits?(term, :boolean), do: is_boolean(term)
  # A time in nanoseconds, at most.
  def fits?(term, :integer), do: is_integer(term) and abs(term) < 0x8000000000000000

  def fits?(term, :text),
    do: is_binary(term) and byte_size(term) <= @text and String.valid?(term)

  def fits?(term, :name_or_none), do: term == "" or fits?(term, :name)
  def fits?(term, :version), do: fits?(term, :text) and term =~ ~r/\A\d+(\.|\z|-)/

  # As long as a name in a beam's atom table can be.
  def fits?(term, :name) do
    is_binary(term) and byte_size(term) in 1..255 and String.valid?(term) and
      :binary.match(term, <<0>>) == :nomatch
  end

  def fits?("", :names), do: true

  def fits?(term, :names) do
    # None of them is empty, so the size bounds the count.
    is_binary(term) and byte_size(term) <= @joined and String.valid?(term) and
      :binary.match(term, <<0, 0>>) == :nomatch and :binary.first(term) != 0 and
      :binary.last(term) != 0 and
      term |> :binary.split(<<0>>, [:global]) |> Enum.all?(&fits?(&1, :name))
  end

  # A proper list, and no longer than that.
  defp all?([], _schema, _left), do: true

  defp all?([term | rest], schema, left) when left > 0,
    do: fits?(term, schema) and all?(rest, schema, left - 1)

  defp all?(_term, _schema, _left), do: false
end
