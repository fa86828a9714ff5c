defmodule Hotpush.Transport.Ssh.Frame do
  @moduledoc """
  Frames as they go over ssh's standard input and output: see `src/hotpush_link.erl`. Pure.

  The input comes from a device that may send anything. A frame comes as lines with a mark, and
  `Hotpush.Protocol.SafeTerm` reads it. Everything else is noise: the device's log, a greeting, a
  prompt. The two have different limits:

    * The size of a frame is limited, and so is that of each of its lines. A frame that is too large,
      or that cannot be read, is an error.
    * Of noise, only a limited part is kept (see `Hotpush.Transport.Ssh.Noise`), but there may be any
      amount of it: a device may write its log for as long as a session lasts. Only before the first
      frame there is a limit: a device that writes so much without a greeting is not the right one.

  `Hotpush.Transport.Ssh.Channel.Server` limits how fast noise may come.
  """

  alias Hotpush.Protocol.SafeTerm
  alias Hotpush.Transport.Ssh.Noise

  # A terminal driver on the way needs lines no longer than this, and so does the daemon's reader.
  @line 12_288

  @mark "hotpush"

  # The device writes lines of some 48 kB (see the link's program).
  @max_line 64 * 1024

  # Far more than any answer.
  @max_frame 24 * 1024 * 1024

  @max_greeting 64 * 1024

  defstruct line: "", parts: [], size: 0, noise: %Noise{}, greeted?: false

  @typedoc """
  The part of a line that has come in so far, the lines of a frame that is not complete yet and their
  size, the noise, and whether there has been a frame.
  """
  @type t :: %__MODULE__{
          line: binary(),
          parts: [binary()],
          size: non_neg_integer(),
          noise: Noise.t(),
          greeted?: boolean()
        }

  @type problem :: :too_large | :too_much_noise | {:bad_frame, term()}

  @doc "The lines of a frame, compressed if that is likely to save bytes."
  @spec encode(term(), keyword()) :: iodata()
  def encode(term, options \\ [:compressed]) do
    term |> :erlang.term_to_binary(options) |> lines()
  end

  @doc """
  A program as one line, for the bootstrap, which reads only one line.
  """
  @spec line(term()) :: iodata()
  def line(term), do: [term |> :erlang.term_to_binary([:compressed]) |> Base.encode64(), ?\n]

  # Three bytes become four characters, so the parts are multiples of three.
  defp lines(<<part::binary-size(@line), rest::binary>>) when rest != "",
    do: [?+, Base.encode64(part), ?\n | lines(rest)]

  defp lines(rest), do: [?., Base.encode64(rest), ?\n]

  @doc "The noise (its beginning and its end), and the line that is not complete yet."
  @spec rest(t()) :: binary()
  def rest(%__MODULE__{noise: noise, line: line}), do: Noise.text(Noise.add(noise, line))

  @doc "Adds bytes; returns the frames that are now complete."
  @spec decode(t(), binary()) :: {:ok, [term()], t()} | {:error, problem(), t()}
  def decode(%__MODULE__{line: line} = state, bytes),
    do: take(line <> bytes, [], [], %{state | line: ""})

  # A frame may follow text without a line end, such as a prompt.
  defp take(text, frames, noise, state) do
    case :binary.match(text, @mark) do
      {at, _} ->
        {before, marked} = :erlang.split_binary(text, at)
        marked(marked, :binary.match(marked, "\n"), frames, [noise | before], state)

      :nomatch ->
        # Its end may be the beginning of a mark.
        ending = min(byte_size(text), byte_size(@mark) - 1)
        {before, line} = :erlang.split_binary(text, byte_size(text) - ending)
        unfinished(line, frames, [noise | before], state)
    end
  end

  defp unfinished(line, frames, noise, state) do
    noise = Noise.add(state.noise, IO.iodata_to_binary(noise))
    state = %{state | line: :binary.copy(line), noise: noise}

    if state.greeted? or noise.size <= @max_greeting,
      do: {:ok, Enum.reverse(frames), state},
      else: {:error, :too_much_noise, state}
  end

  defp marked(text, :nomatch, frames, noise, state) when byte_size(text) <= @max_line,
    do: unfinished(text, frames, noise, state)

  defp marked(text, {at, 1}, frames, noise, state) when at <= @max_line do
    {line, "\n" <> rest} = :erlang.split_binary(text, at)

    case part(line) do
      {:more, part} -> more(part, rest, frames, noise, state)
      {:last, part} -> whole(part, rest, frames, noise, state)
      :none -> unmarked(text, frames, noise, state)
    end
  end

  defp marked(text, _, frames, noise, state), do: unmarked(text, frames, noise, state)

  # The same line may have another mark.
  defp unmarked(<<@mark, text::binary>>, frames, noise, state),
    do: take(text, frames, [noise | @mark], state)

  defp part(line) do
    with [_, plus, text] <- Regex.run(~r/\Ahotpush(\+?) ([0-9A-Za-z+\/=]+)\r?\z/, line),
         {:ok, part} <- Base.decode64(text) do
      {if(plus == "+", do: :more, else: :last), part}
    else
      _ -> :none
    end
  end

  defp more(part, rest, frames, noise, state) do
    state = %{state | parts: [state.parts | part], size: state.size + byte_size(part)}

    if state.size > @max_frame,
      do: {:error, :too_large, %{state | parts: []}},
      else: take(rest, frames, noise, state)
  end

  defp whole(part, rest, frames, noise, state) do
    case SafeTerm.decode(IO.iodata_to_binary([state.parts | part])) do
      {:ok, frame} ->
        take(rest, [frame | frames], noise, %{state | parts: [], size: 0, greeted?: true})

      {:error, why} ->
        {:error, {:bad_frame, why}, %{state | parts: []}}
    end
  end
end
