defmodule Hotpush.Test.Beams.Source do
  @moduledoc "Writes the source of one module of the varied ones. Pure."

  @words ~w(sensor valve pump relay meter clock display motor battery antenna
    heater fan lamp door buffer queue packet frame channel session)

  @doc "The module with this number."
  @spec module(pos_integer) :: module
  def module(number), do: Module.concat(Varied, "Mod" <> padded(number))

  @doc "Its file name."
  @spec file(pos_integer) :: String.t()
  def file(number), do: "mod_#{padded(number)}.ex"

  @doc "Its source; `changed?` gives another value and one more function clause."
  @spec text(pos_integer, boolean) :: String.t()
  def text(number, changed?) do
    sections = Enum.map_join(1..size(number), "\n", &section(number, &1))

    """
    defmodule #{inspect(module(number))} do
      @moduledoc "The #{word(number)} with number #{number}."

      @version #{if changed?, do: 2, else: 1}
    #{if changed?, do: "  def version(:next), do: @version + 1\n"}
      def version(_which), do: @version
    #{kind(rem(number, 4), number)}
    #{sections}end
    """
  end

  # Most are small, some are large, as in a real project.
  defp size(number), do: 1 + rem(number * 7, 5) + if(rem(number, 10) == 0, do: 12, else: 0)

  defp kind(0, number) do
    """
      use GenServer

      def start_link(options), do: GenServer.start_link(__MODULE__, options)

      @impl true
      def init(options), do: {:ok, %{limit: options[:limit] || #{number}, seen: []}}

      @impl true
      def handle_call({:add, item}, _from, %{limit: limit, seen: seen} = state)
          when length(seen) < limit do
        {:reply, :ok, %{state | seen: [item | seen]}}
      end

      def handle_call({:add, item}, _from, state), do: {:reply, {:error, {:full, item}}, state}
      def handle_call(:all, _from, state), do: {:reply, Enum.reverse(state.seen), state}
    """
  end

  defp kind(1, number) do
    """
      defstruct name: #{inspect(word(number))}, limit: #{number}, tags: [], at: nil

      @type t :: %__MODULE__{name: String.t(), limit: integer, tags: [atom]}

      @spec tag(t, atom) :: t
      def tag(%__MODULE__{tags: tags} = thing, tag) when is_atom(tag) do
        %{thing | tags: Enum.uniq([tag | tags])}
      end
    """
  end

  defp kind(2, _number) do
    """
      def parse(<<0x7E, length::16, body::binary-size(length), crc::32, rest::binary>>) do
        if :erlang.crc32(body) == crc, do: {:ok, body, rest}, else: {:error, :crc}
      end

      def parse(bytes) when byte_size(bytes) < 7, do: :more
      def parse(<<_skipped, rest::binary>>), do: parse(rest)
    """
  end

  defp kind(3, number) do
    clauses =
      Enum.map_join(1..12, "\n", &"  def code(#{inspect(word(&1 + number))}), do: #{&1 * number}")

    clauses <>
      "\n  def code(other), do: raise(ArgumentError, \"no code for \#{inspect(other)}\")\n"
  end

  defp section(number, index) do
    name = "#{word(number + index)}_#{index}"

    """
      @doc "Works on a #{word(index)}: sums, labels and limits it."
      def #{name}(values, limit \\\\ #{number * index}) do
        values
        |> Enum.with_index(#{index})
        |> Enum.filter(fn {value, _position} -> is_integer(value) and value < limit end)
        |> Enum.reduce(%{sum: 0, label: "#{word(number)}"}, fn {value, position}, acc ->
          Map.update!(acc, :sum, &(&1 + value * position))
        end)
        |> #{name}_label(limit)
      end

      defp #{name}_label(%{sum: sum} = result, limit) do
        with true <- sum > limit, text when text != "" <- result.label do
          {:over, "\#{text} is over by \#{sum - limit} of #{number}"}
        else
          false -> {:ok, [sum: sum, label: String.upcase(result.label)]}
          _ -> {:error, {:#{word(index)}, #{number + index}}}
        end
      end
    """
  end

  defp word(number), do: Enum.at(@words, rem(number, length(@words)))
  defp padded(number), do: String.pad_leading(to_string(number), 4, "0")
end
