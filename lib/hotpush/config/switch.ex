defmodule Hotpush.Config.Switch do
  @moduledoc """
  One option of the table in `Hotpush.Config.Switches`, with what commands and functions share: reading
  its value, the error for a wrong value, suggestions, and its part of the manual. Pure.
  """

  alias Hotpush.Config.Switches
  alias Hotpush.Error
  alias Hotpush.Plan.ModuleFilter

  defstruct [:name, :type, :takers, :value, :expects, :doc, many?: false]

  @typedoc "A Mix task, by its name, or any function of `Hotpush`."
  @type taker :: String.t() | :functions

  @typedoc """
  What it takes: nothing (`:flag`, `:on`), text, a name (which may become an atom), a number in a range,
  an optional number in a range with its default, or one of some words.
  """
  @type type ::
          :flag | :on | :text | :name | Range.t() | {Range.t(), pos_integer()} | [String.t()]

  @type t :: %__MODULE__{
          name: atom(),
          type: type(),
          takers: [taker()],
          value: String.t() | nil,
          expects: String.t(),
          doc: String.t(),
          many?: boolean()
        }

  @doc "The options of a command, or of the functions."
  @spec of(taker()) :: [t()]
  def of(taker),
    do: for(row <- Switches.rows(), switch = new(row), taker in switch.takers, do: switch)

  defp new({name, type, takers, doc}), do: new({name, type, takers, nil, "no value", doc})

  defp new({name, {:many, type}, takers, value, expects, doc}),
    do: %{new({name, type, takers, value, expects, doc}) | many?: true}

  defp new({name, type, takers, value, expects, doc}) do
    %__MODULE__{
      name: name,
      type: type,
      takers: takers,
      value: value,
      expects: expects,
      doc: doc
    }
  end

  @doc """
  The option as written on the command line.

      iex> Hotpush.Config.Switch.flag(:dry_run)
      "--dry-run"
  """
  @spec flag(atom()) :: String.t()
  def flag(name), do: "--" <> (name |> to_string() |> String.replace("_", "-"))

  @doc "Whether it is a flag, which takes no value."
  @spec flag?(t()) :: boolean()
  def flag?(%__MODULE__{type: type}), do: type in [:flag, :on]

  @doc """
  The value of `text` (`nil` if there is none), or what is wrong with it.

      iex> [purge] = for %{name: :purge} = switch <- Hotpush.Config.Switch.of(:functions), do: switch
      iex> Hotpush.Config.Switch.cast(purge, "kill")
      {:ok, "kill"}
      iex> {:error, error} = Hotpush.Config.Switch.cast(purge, "kil")
      iex> Hotpush.Error.message(error)
      "--purge takes soft or kill, got kil. Did you mean kill?"
  """
  @spec cast(t(), String.t() | nil) :: {:ok, term()} | {:error, Error.t()}
  def cast(%__MODULE__{} = switch, nil), do: bad(switch, "nothing")
  def cast(%__MODULE__{type: :text}, text), do: {:ok, text}

  # An atom has at most 255 characters.
  def cast(%__MODULE__{type: :name} = switch, text),
    do: if(String.length(text) <= 255, do: {:ok, text}, else: bad(switch, text))

  def cast(%__MODULE__{type: {range, _}} = switch, text), do: cast(%{switch | type: range}, text)

  def cast(%__MODULE__{type: %Range{first: first, last: last}} = switch, text) do
    case Integer.parse(text) do
      {number, ""} when first <= number and number <= last -> {:ok, number}
      _ -> bad(switch, text)
    end
  end

  def cast(%__MODULE__{type: words} = switch, text) when is_list(words),
    do: if(text in words, do: {:ok, text}, else: bad(switch, text))

  def cast(%__MODULE__{} = flag, text) do
    case text do
      "true" -> {:ok, true}
      "false" -> {:ok, false}
      _ -> bad(flag, text)
    end
  end

  @doc "The error for a value that it does not take."
  @spec bad(t(), String.t()) :: {:error, Error.t()}
  # A cookie never gets into a message, not even an invalid one.
  def bad(%__MODULE__{name: :cookie} = switch, _got), do: wrong(switch, "something else", [])

  def bad(%__MODULE__{type: words} = switch, got) when is_list(words),
    do: wrong(switch, got, meant(got, words))

  def bad(%__MODULE__{} = switch, got), do: wrong(switch, got, [])

  defp wrong(switch, got, meant),
    do: {:error, Error.new(:usage, flag(switch.name), {:bad_value, got, switch.expects, meant})}

  @doc "The name that was probably meant, in a list, which is empty if none is similar."
  @spec meant(String.t(), [String.t()]) :: [String.t()]
  def meant(text, names), do: text |> ModuleFilter.near(names) |> Enum.take(1)

  @doc "All ways to write it on the command line."
  @spec flags(t()) :: [String.t()]
  def flags(%__MODULE__{name: name} = switch),
    do: if(flag?(switch), do: [flag(name), off(flag(name))], else: [flag(name)])

  defp off("--" <> name), do: "--no-" <> name

  @doc "The part of a command's manual that lists its options."
  @spec manual(taker()) :: String.t()
  def manual(taker) do
    Enum.map_join(of(taker), "\n", fn switch ->
      flag = flag(switch.name)
      flag = if switch.type == :on, do: off(flag), else: flag
      head = Enum.join([flag | List.wrap(switch.value)], " ")
      text = switch.doc |> String.trim_trailing() |> String.replace("\n", "\n    ")
      "  * `#{head}` - #{text}"
    end)
  end
end
