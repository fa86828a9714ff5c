defmodule Hotpush.Protocol.Chunks do
  @moduledoc """
  Splits what travels for steps into messages of a bounded size, so that a slow link shows progress, and
  the device receives something before it gives up. Pure. See `src/hotpush_stage.erl`.
  """

  alias Hotpush.Plan.Step

  @chunk 32 * 1024

  @type message ::
          {:piece, binary()} | {:chunk, atom(), [{String.t(), atom(), binary()}, ...]}

  @doc "How many bytes could travel in chunks."
  @spec size([Step.packed()]) :: non_neg_integer()
  def size(steps),
    do: Enum.sum(for {_kind, list} <- lists(steps), {_, _, binary} <- list, do: byte_size(binary))

  @doc "How many modules could travel in chunks."
  @spec count([Step.packed()]) :: non_neg_integer()
  def count(steps), do: Enum.sum(for {_kind, list} <- lists(steps), do: length(list))

  @doc """
  The messages, in order. A module that is larger than a chunk comes in pieces, the last one in the
  chunk that names it.
  """
  @spec messages([Step.packed()]) :: [message()]
  def messages(steps) do
    for {kind, list} <- lists(steps),
        chunk <- chunks(list),
        message <- pieces(kind, chunk),
        do: message
  end

  @doc "The steps without what travelled in chunks."
  @spec rest([Step.packed()]) :: [Step.packed()]
  def rest(steps),
    do: for({kind, given} <- steps, do: {kind, if(is_list(given), do: [], else: given)})

  defp lists(steps), do: Enum.filter(steps, fn {_kind, given} -> is_list(given) end)

  defp chunks(list) do
    Enum.chunk_while(
      list,
      {[], 0},
      fn {_, _, beam} = module, {chunk, size} ->
        if size + byte_size(beam) > @chunk and chunk != [],
          do: {:cont, chunk, {[module], byte_size(beam)}},
          else: {:cont, {[module | chunk], size + byte_size(beam)}}
      end,
      fn {chunk, _} -> {:cont, chunk, nil} end
    )
  end

  # It is alone in its chunk.
  defp pieces(kind, [{name, app, beam}]) when byte_size(beam) > @chunk do
    <<piece::binary-size(@chunk), rest::binary>> = beam
    [{:piece, piece} | pieces(kind, [{name, app, rest}])]
  end

  defp pieces(kind, chunk), do: [{:chunk, kind, chunk}]
end
