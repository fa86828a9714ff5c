defmodule Hotpush.Protocol.Chunks do
  @moduledoc """
  Splits what travels for steps into messages of a bounded size, so that a slow link shows progress, and
  the device receives something before it gives up. Pure. See `src/hotpush_stage.erl`.
  """

  alias Hotpush.Plan.Step
  alias Hotpush.Protocol.Bundle

  # How much is compressed together: twice as much would save another 2 to 10 percent, but progress is
  # shown, and the device unpacks, bundle by bundle.
  @bundle 256 * 1024
  @message 32 * 1024

  # The most that travels in one call, and what is usually more than that before it is compressed.
  @call 256 * 1024
  @uncompressed 448 * 1024

  defstruct messages: [], rest: [], modules: 0

  @typedoc "The messages in order, the steps without what travels in them, and how many modules do."
  @type t :: %__MODULE__{
          messages: [message()],
          rest: [Step.packed()],
          modules: non_neg_integer()
        }

  @typedoc "A part of a bundle. The last part comes as a chunk, which names the step."
  @type message :: {:piece, binary()} | {:chunk, atom(), binary()}

  @doc """
  Whether this is too much for one call. In chunks, the progress line moves, and a slow link does not look
  like a dead one.
  """
  @spec large?([Step.packed()]) :: boolean()
  def large?(steps) do
    size = Enum.sum(for {_kind, list} <- lists(steps), file <- list, do: content(file))
    size > @uncompressed or (size > @call and compressed(lists(steps)) > @call)
  end

  defp compressed(term), do: term |> :erlang.term_to_binary([:compressed]) |> byte_size()

  @doc "Packs the steps."
  @spec of([Step.packed()]) :: t()
  def of(steps) do
    %__MODULE__{
      messages: Enum.flat_map(lists(steps), &messages/1),
      rest: for({kind, given} <- steps, do: {kind, if(is_list(given), do: [], else: given)}),
      modules: Enum.sum(for {_kind, list} <- lists(steps), do: length(list))
    }
  end

  defp lists(steps), do: Enum.filter(steps, fn {_kind, given} -> is_list(given) end)

  defp messages({kind, list}),
    do: Enum.flat_map(bundles(list), &parts(kind, Bundle.pack(&1)))

  # A module that is larger than a bundle is alone in one.
  defp bundles(list) do
    Enum.chunk_while(
      list,
      {[], 0},
      fn file, {files, size} ->
        if size + content(file) > @bundle and files != [],
          do: {:cont, Enum.reverse(files), {[file], content(file)}},
          else: {:cont, {[file | files], size + content(file)}}
      end,
      fn
        {[], 0} -> {:cont, nil}
        {files, _size} -> {:cont, Enum.reverse(files), nil}
      end
    )
  end

  defp content({_name, _app, content}), do: byte_size(content)

  defp parts(kind, bundle) when byte_size(bundle) > @message do
    <<piece::binary-size(@message), rest::binary>> = bundle
    [{:piece, piece} | parts(kind, rest)]
  end

  defp parts(kind, bundle), do: [{:chunk, kind, bundle}]
end
