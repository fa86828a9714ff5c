defmodule Hotpush.Transport.Ssh.Frame do
  @moduledoc """
  Frames as they go over ssh's standard input and output: see `src/hotpush_link.erl`. Pure.

  What comes in is from a device that may be anything: lines that are no frame are noise, kept
  apart up to a bound, and a frame is read by `Hotpush.Protocol.SafeTerm`.
  """

  alias Hotpush.Protocol.SafeTerm

  # A terminal driver between would like lines no longer than this, and so does the daemon's reader.
  @line 12_288

  # More than any answer, by far.
  @max_line 24 * 1024 * 1024
  @max_noise 64 * 1024

  defstruct buffer: [], size: 0, noise: ""

  @typedoc "What has come in and is no whole line yet, and what was no frame."
  @type t :: %__MODULE__{buffer: iodata(), size: non_neg_integer(), noise: binary()}

  @type problem :: :too_large | :too_much_noise | {:bad_frame, term()}

  @doc "The lines of a frame. Compressed where that is likely to pay."
  @spec encode(term(), keyword()) :: iodata()
  def encode(term, options \\ [:compressed]) do
    term |> :erlang.term_to_binary(options) |> lines()
  end

  @doc """
  A program as one line, for the bootstrap, which reads just one.
  """
  @spec line(term()) :: iodata()
  def line(term), do: [term |> :erlang.term_to_binary([:compressed]) |> Base.encode64(), ?\n]

  # Three bytes become four characters, so the parts are multiples of three.
  defp lines(<<part::binary-size(@line), rest::binary>>) when rest != "",
    do: [?+, Base.encode64(part), ?\n | lines(rest)]

  defp lines(rest), do: [?., Base.encode64(rest), ?\n]

  @doc "The end of what was no frame, and of what is no whole line yet; at most 4 kB of it."
  @spec rest(t()) :: binary()
  def rest(%__MODULE__{noise: noise, buffer: buffer}) do
    text = IO.iodata_to_binary([noise | buffer])
    size = min(byte_size(text), 4_096)
    binary_part(text, byte_size(text) - size, size)
  end

  @doc "Takes bytes in; answers the frames that are whole now."
  @spec decode(t(), binary()) :: {:ok, [term()], t()} | {:error, problem(), t()}
  def decode(%__MODULE__{} = state, bytes) do
    case :binary.split(bytes, "\n", [:global]) do
      [part] ->
        more(state, part)

      [first | rest] ->
        {last, whole} = List.pop_at(rest, -1)
        first = IO.iodata_to_binary([state.buffer | first])
        take([first | whole], [], %{state | buffer: [], size: 0}, last)
    end
  end

  defp more(state, part) do
    size = state.size + byte_size(part)
    state = %{state | buffer: [state.buffer | part], size: size}
    if size > @max_line, do: {:error, :too_large, state}, else: {:ok, [], state}
  end

  defp take([], frames, state, last) do
    with {:ok, [], state} <- more(state, last), do: {:ok, Enum.reverse(frames), state}
  end

  defp take([line | lines], frames, state, last) do
    case frame(line) do
      {:ok, frame} -> take(lines, [frame | frames], state, last)
      {:error, why} -> {:error, {:bad_frame, why}, state}
      :noise -> noise(line, lines, frames, state, last)
    end
  end

  defp noise(line, lines, frames, state, last) do
    state = %{state | noise: state.noise <> line <> "\n"}

    if byte_size(state.noise) > @max_noise,
      do: {:error, :too_much_noise, state},
      else: take(lines, frames, state, last)
  end

  # Behind a text without a line end, such as a prompt, a frame is still one.
  defp frame(line) do
    with [_, text] <- Regex.run(~r/hotpush ([0-9A-Za-z+\/=]+)\r?\z/, line),
         {:ok, binary} <- Base.decode64(text) do
      SafeTerm.decode(binary)
    else
      _ -> :noise
    end
  end
end
