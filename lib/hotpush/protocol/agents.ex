defmodule Hotpush.Protocol.Agents do
  @moduledoc """
  The agent's modules, and which of them travel with which work, in which form.

  What fits into one call travels as text, which the device evaluates (`Hotpush.Protocol.Interpreted`). For
  work in chunks, and to look at all processes, modules are compiled: that is faster.
  """

  alias Hotpush.Plan.Steps

  # All chunks that the loader needs.
  @loaded [~c"AtU8", ~c"Code", ~c"StrT", ~c"ImpT", ~c"ExpT", ~c"FunT", ~c"LitT"]
  @interpreted [:hotpush_agent, :hotpush_on_load, :hotpush_remove]

  @typedoc "The modules that travel as text, and those that travel compiled, with what the loader needs."
  @type t :: {[module()], [{module(), binary()}]}

  @doc "The sets of modules that travel as text."
  @spec interpreted() :: [[module()], ...]
  def interpreted do
    [agent | others] = @interpreted

    for first <- [true, false], second <- [true, false] do
      [agent | for({module, true} <- Enum.zip(others, [first, second]), do: module)]
    end
  end

  @doc "The modules that carry out this work, and no others: on a slow link, each kilobyte counts."
  @spec run(Hotpush.Protocol.Requests.work()) :: t()
  def run(%{steps: steps}) do
    needed = Steps.agents(steps)
    {[:hotpush_agent | @interpreted -- @interpreted -- needed], pack(needed -- @interpreted)}
  end

  @doc "The modules for work that comes in chunks: all of them, which is little compared to the chunks."
  @spec stage() :: t()
  def stage, do: {[], pack([:hotpush_stage, :hotpush_lives | @interpreted])}

  @doc "The modules that find out who needs a module."
  @spec lives() :: t()
  def lives, do: {[], pack([:hotpush_lives])}

  defp pack(modules), do: Enum.map(modules, &{&1, small(&1)})

  defp small(module) do
    {^module, beam, _} = :code.get_object_code(module)
    {:ok, ^module, chunks} = :beam_lib.all_chunks(beam)
    {:ok, small} = :beam_lib.build_module(Enum.filter(chunks, fn {id, _} -> id in @loaded end))
    small
  end
end
