defmodule Hotpush.Transport.Ssh.Noise do
  @moduledoc """
  What a device writes besides frames: its beginning and its end, however much there is of it. Pure.

  A device that does not understand says so at the beginning; the end is what it wrote last.
  """

  @kept 4_096

  defstruct first: "", last: "", size: 0

  @type t :: %__MODULE__{first: binary(), last: binary(), size: non_neg_integer()}

  @doc """
  Adds more of it.

      iex> alias Hotpush.Transport.Ssh.Noise
      iex> noise = Noise.add(Noise.add(%Noise{}, "Welcome\\n"), "to the kitchen\\n")
      iex> {Noise.text(noise), noise.size}
      {"Welcome\\nto the kitchen\\n", 23}
  """
  @spec add(t(), binary()) :: t()
  def add(%__MODULE__{} = noise, text) do
    room = min(@kept - byte_size(noise.first), byte_size(text))
    {first, rest} = :erlang.split_binary(text, room)

    %{
      noise
      | first: noise.first <> first,
        last: ending(noise.last, rest),
        size: noise.size + byte_size(text)
    }
  end

  # Copied, since a part of a binary keeps all of it in memory.
  defp ending(_last, text) when byte_size(text) >= @kept,
    do: :binary.copy(binary_part(text, byte_size(text), -@kept))

  defp ending(last, text) do
    text = last <> text
    :binary.copy(binary_part(text, byte_size(text), -min(byte_size(text), @kept)))
  end

  @doc "What is kept of it, in order, with a line `...` in the place of the rest."
  @spec text(t()) :: binary()
  def text(%__MODULE__{first: first, last: last, size: size}) do
    if size > byte_size(first) + byte_size(last),
      do: first <> "\n...\n" <> last,
      else: first <> last
  end
end
