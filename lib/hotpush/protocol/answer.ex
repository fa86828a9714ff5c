defmodule Hotpush.Protocol.Answer do
  @moduledoc """
  The schema of what a device may answer: every field, its form and its bounds. Pure.

  An answer that does not match is rejected, so no other module gets a value that it does not expect,
  whatever a device says. `src/hotpush_question.erl` and `src/hotpush_agent.erl` say what the fields
  mean.
  """

  # Far more than any project has, and not too many for this host.
  @modules 50_000
  # The joined names of one application.
  @joined 2 * 1024 * 1024
  @text 1_000
  @cut 7

  @holder {:tuple, [:text, :text, :text]}
  @living {:tuple, [:text, :text, :text, :text]}
  @late {:tuple, [{:exactly, :on_load_timeout}, :integer]}
  @named_reason {:tuple, [:name, {:any_of, [:atom, :text, @late]}]}
  @orphaned {:list, {:tuple, [:text, :text, :text, :text, {:list, :text}]}}
  @stamp {:any_of, [{:exactly, :removed}, {:bytes, 32}]}
  @shown {:tuple,
          [
            :names,
            {:bytes, @joined},
            {:list, {:tuple, [:name, {:bytes, 16}, :name, @stamp]}},
            :names
          ]}
  @file_ {:tuple, [:name, {:bytes, 16}, {:bytes, 16}]}
  @files {:list, @file_}

  @facts %{
    otp: :version,
    erts: :text,
    elixir: {:any_of, [{:exactly, :none}, :version]},
    arch: :text,
    mode: {:any_of, [{:exactly, :interactive}, {:exactly, :embedded}]},
    target: {:any_of, [{:exactly, :none}, :text]},
    firmware: {:any_of, [:atom, :text]},
    platform: {:any_of, [{:exactly, :none}, :text]},
    others: {:list, :name},
    nifs: {:list, :name}
  }
  @impls {:list, {:tuple, [:name, {:list, :name}]}}
  @app {:tuple, [:name_or_none, :text, :boolean, :boolean, @shown]}
  @part {:any_of,
         [
           {:tuple, [{:exactly, :app}, @app]},
           {:tuple, [{:exactly, :pushed}, @shown]},
           {:tuple, [{:exactly, :facts}, {:map, @facts}]},
           {:tuple, [{:exactly, :impls}, @impls]}
         ]}
  @parts {:list, {:any_of, [:integer, {:tuple, [:print, @part]}]}}

  @ask {:map,
        Map.merge(@facts, %{
          boot: {:tuple, [:text, :integer]},
          cut: :integer,
          apps: {:list, @app},
          pushed: {:list, @shown},
          files:
            {:list,
             {:tuple, [:name_or_none, {:bytes, 16}, {:any_of, [{:exactly, :known}, @files]}]}},
          impls: @impls,
          fingerprint: {:bytes, 16},
          old: {:list, @holder},
          last_push: {:any_of, [{:exactly, :none}, {:tuple, [{:bytes, 1_000}, :integer]}]}
        })}

  @identity {:any_of,
             [
               {:exactly, :not_loaded},
               {:tuple,
                [
                  {:bytes, 16},
                  {:any_of, [{:exactly, :none}, {:exactly, :removed}, {:bytes, 32}]}
                ]}
             ]}

  @ran {:list, {:tuple, [:name, @identity]}}

  # The device's answer for each kind of step: see `Hotpush.Plan.Step`.
  @step {:any_of,
         [
           {:tuple, [{:exactly, :load}, @ran]},
           {:tuple, [{:exactly, :remove}, @ran]},
           {:tuple,
            [
              {:exactly, :note},
              {:any_of, for(word <- [:noted, :none, :late], do: {:exactly, word})}
            ]}
         ]}

  @done {:map,
         %{
           steps: {:list, @step},
           failed: {:list, @named_reason},
           error: {:any_of, for(word <- [:none, :batch, :on_load, :late], do: {:exactly, word})},
           stays: {:list, @named_reason},
           killed: {:list, @holder},
           purged: {:list, :name},
           held: {:list, @holder},
           orphaned: @orphaned,
           lost: {:list, {:tuple, [:name, {:list, {:tuple, [:text, :integer]}}]}},
           microseconds: :integer
         }}

  @refused {:any_of,
            [
              {:tuple, [{:exactly, :held}, {:list, @holder}]},
              {:tuple, [{:exactly, :lived_by}, {:list, @living}]},
              {:tuple, [{:exactly, :not_loadable}, {:list, @named_reason}]},
              {:tuple, [{:exactly, :nif_loaded}, {:list, :name}]},
              {:tuple, [{:exactly, :unready}, :integer]},
              {:exactly, :changed},
              {:exactly, :silent}
            ]}

  @busy {:tuple, [{:exactly, :busy}, :text, :integer]}

  @load {:any_of,
         [
           @busy,
           {:tuple, [{:exactly, :done}, @done]},
           {:tuple, [{:exactly, :refused}, @refused]}
         ]}

  @doc """
  How many bytes of each digest a device answers, and of each print of a part.

  A module's digest is compared with only one other digest, and a part's print only with those of the
  same device's parts. So 56 bits do not match by accident, and they keep the answer of a large project
  small. The digests of what was loaded are read back whole.
  """
  @spec cut() :: pos_integer()
  def cut, do: @cut

  @doc "Whether these are the parts of a description: see `Hotpush.Protocol.Parts`."
  @spec parts?(term()) :: boolean()
  def parts?(term), do: fits?(term, @parts)

  @doc "Whether these are a part of a description and its print, as a device once answered them."
  @spec part?(term()) :: boolean()
  def part?(term), do: fits?(term, {:tuple, [:print, @part]})

  @doc "Whether this answers `Hotpush.Protocol.Question.ask/6`, with its parts put together."
  @spec ask?(term()) :: boolean()
  def ask?(term) do
    fits?(term, @ask) and term.cut == @cut and count(term) <= @modules
  end

  @doc """
  Whether these are an application, the fingerprint of its files on a device, and the files, as a
  device once answered them.

      iex> Hotpush.Protocol.Answer.files?({"example", <<0::128>>, [{"Elixir.Example", <<0::128>>, ""}]})
      true
      iex> Hotpush.Protocol.Answer.files?({"example", <<0::128>>, [:known]})
      false
  """
  @spec files?(term()) :: boolean()
  def files?(term), do: fits?(term, {:tuple, [:name_or_none, {:bytes, 16}, @files]})

  defp count(term) do
    shown = term.pushed ++ for({_, _, _, _, shown} <- term.apps, do: shown)

    Enum.sum(
      for {names, _, stamped, absent} <- shown,
          do: joined(names) + joined(absent) + length(stamped)
    ) +
      Enum.sum(for {_, _, list} when is_list(list) <- term.files, do: length(list))
  end

  defp joined(names), do: length(:binary.matches(names, <<0>>)) + 1

  @doc """
  Whether this is the agent's answer to its work.

      iex> Hotpush.Protocol.Answer.load?({:refused, {:nif_loaded, ["Elixir.Example"]}})
      true
      iex> Hotpush.Protocol.Answer.load?({:refused, {:nif_loaded, [5]}})
      false
  """
  @spec load?(term()) :: boolean()
  def load?(term), do: fits?(term, @load)

  @doc "Whether this is the agent's answer to who needs some modules."
  @spec lives?(term()) :: boolean()
  def lives?(term), do: fits?(term, {:any_of, [@busy, {:list, @living}]})

  @doc "Whether this is the agent's answer to who will call functions that no longer exist."
  @spec orphaned?(term()) :: boolean()
  def orphaned?(term), do: fits?(term, @orphaned)

  @doc "Whether this is a note of a push: see `Hotpush.Protocol.LastPush`."
  @spec note?(term()) :: boolean()
  def note?(term), do: fits?(term, {:tuple, [:integer, :text, :text, :text, :text]})

  @doc "Whether this answers `Hotpush.Protocol.Question.settle/2`."
  @spec settled?(term()) :: boolean()
  def settled?(term), do: term in [:over, :busy]

  defp fits?(term, {:exactly, value}), do: term === value
  defp fits?(term, {:any_of, shapes}), do: Enum.any?(shapes, &fits?(term, &1))
  defp fits?(term, {:bytes, most}), do: is_binary(term) and byte_size(term) <= most
  defp fits?(term, :print), do: is_binary(term) and byte_size(term) == @cut
  defp fits?(term, :atom), do: is_atom(term)
  defp fits?(term, :boolean), do: is_boolean(term)
  # A time in nanoseconds, at most.
  defp fits?(term, :integer), do: is_integer(term) and abs(term) < 0x8000000000000000

  defp fits?(term, :text),
    do: is_binary(term) and byte_size(term) <= @text and String.valid?(term)

  defp fits?(term, :name_or_none), do: term == "" or fits?(term, :name)
  defp fits?(term, :version), do: fits?(term, :text) and term =~ ~r/\A\d+(\.|\z|-)/

  # As long as a name in a beam's atom table can be.
  defp fits?(term, :name) do
    is_binary(term) and byte_size(term) in 1..255 and String.valid?(term) and
      :binary.match(term, <<0>>) == :nomatch
  end

  defp fits?("", :names), do: true

  defp fits?(term, :names) do
    # None of them is empty, so the size bounds the count.
    is_binary(term) and byte_size(term) <= @joined and String.valid?(term) and
      :binary.match(term, <<0, 0>>) == :nomatch and :binary.first(term) != 0 and
      :binary.last(term) != 0 and
      term |> :binary.split(<<0>>, [:global]) |> Enum.all?(&fits?(&1, :name))
  end

  defp fits?(term, {:tuple, shapes}) do
    is_tuple(term) and tuple_size(term) == length(shapes) and
      term
      |> Tuple.to_list()
      |> Enum.zip(shapes)
      |> Enum.all?(fn {t, shape} -> fits?(t, shape) end)
  end

  defp fits?(term, {:list, shape}), do: all?(term, shape, @modules)

  defp fits?(term, {:map, fields}) do
    is_map(term) and map_size(term) == map_size(fields) and
      Enum.all?(fields, fn {key, shape} ->
        case term do
          %{^key => value} -> fits?(value, shape)
          _ -> false
        end
      end)
  end

  # A proper list, and no longer than that.
  defp all?([], _shape, _left), do: true

  defp all?([term | rest], shape, left) when left > 0,
    do: fits?(term, shape) and all?(rest, shape, left - 1)

  defp all?(_term, _shape, _left), do: false
end
