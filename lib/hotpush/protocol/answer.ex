defmodule Hotpush.Protocol.Answer do
  @moduledoc """
  The schema of what a device may answer: every field, its form and its bounds. Pure.
  `Hotpush.Protocol.Schema` checks an answer against it.

  An answer that does not match is rejected, so no other module gets a value that it does not expect,
  whatever a device says. `src/hotpush_question.erl` and `src/hotpush_agent.erl` say what the fields
  mean.
  """

  import Hotpush.Protocol.Schema, only: [fits?: 2]
  alias Hotpush.Protocol.Schema

  @modules Schema.items()
  @joined Schema.joined()
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
  @told {:tuple, [{:size, @cut}, @part]}

  @ask {:map,
        %{
          boot: {:tuple, [:text, :integer]},
          cut: {:exactly, @cut},
          parts: {:list, {:any_of, [:integer, @told]}},
          files:
            {:list,
             {:tuple, [:name_or_none, {:bytes, 16}, {:any_of, [{:exactly, :known}, @files]}]}},
          fingerprint: {:bytes, 16},
          old: {:list, @holder},
          last_push: {:any_of, [{:exactly, :none}, {:tuple, [{:bytes, 1_000}, :integer]}]}
        }}

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

  @doc "Whether this answers `Hotpush.Protocol.Question.ask/6`: see `Hotpush.Protocol.Parts`."
  @spec ask?(term()) :: boolean()
  def ask?(term), do: fits?(term, @ask)

  @doc "Whether these are a part of a description and its print, as a device once answered them."
  @spec part?(term()) :: boolean()
  def part?(term), do: fits?(term, @told)

  @doc """
  Whether a description, put together from parts that fit, has no more modules than a project can have.
  """
  @spec bounded?(map()) :: boolean()
  def bounded?(description), do: count(description) <= @modules

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
end
