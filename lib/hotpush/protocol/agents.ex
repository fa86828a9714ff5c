defmodule Hotpush.Protocol.Agents do
  @moduledoc """
  The agent's modules, and which of them travel with which work. The module whose function is called
  comes first.
  """

  alias Hotpush.Plan.Steps

  # All chunks that the loader needs.
  @loaded [~c"AtU8", ~c"Code", ~c"StrT", ~c"ImpT", ~c"ExpT", ~c"FunT", ~c"LitT"]

  @typedoc "A module with what the loader needs of it."
  @type packed :: {module(), binary()}

  @doc "The modules that carry out this work, and no others: on a slow link, each kilobyte counts."
  @spec run(Hotpush.Protocol.Requests.work()) :: [packed(), ...]
  def run(%{steps: steps}), do: pack([:hotpush_agent | Steps.agents(steps)])

  @doc "The modules for work that comes in chunks: all of them, which is little compared to the chunks."
  @spec stage() :: [packed(), ...]
  def stage do
    pack([:hotpush_stage, :hotpush_agent, :hotpush_on_load, :hotpush_remove, :hotpush_lives])
  end

  @doc "The modules that find out who needs a module."
  @spec lives() :: [packed(), ...]
  def lives, do: pack([:hotpush_lives])

  defp pack(modules), do: Enum.map(modules, &{&1, small(&1)})

  defp small(module) do
    {^module, beam, _} = :code.get_object_code(module)
    {:ok, ^module, chunks} = :beam_lib.all_chunks(beam)
    {:ok, small} = :beam_lib.build_module(Enum.filter(chunks, fn {id, _} -> id in @loaded end))
    small
  end
end
