defmodule Hotpush.Text do
  @moduledoc "Text for a terminal."

  @doc """
  A character that is invisible but has an effect: C0, DEL and C1 controls, separators of lines and
  paragraphs, and characters that change the direction of writing.
  """
  defguard is_hidden(char)
           when char < 32 or char in 0x7F..0x9F or char == 0x061C or char in 0x200E..0x200F or
                  char in 0x2028..0x202E or char in 0x2066..0x2069

  @doc ~S"""
  Escapes control characters and invalid text: a device or a network may answer anything, and a terminal
  would obey it.

      iex> Hotpush.Text.printable("plain, Grüße")
      "plain, Grüße"
      iex> Hotpush.Text.printable("a\e[2Jb")
      "a\\e[2Jb"
      iex> Hotpush.Text.printable(<<"a", 255>>)
      "a\\xFF"
  """
  @spec printable(String.t()) :: String.t()
  def printable(text), do: escaped(text, "")

  defp escaped(<<char::utf8, rest::binary>>, done),
    do: escaped(rest, <<done::binary, escape(char)::binary>>)

  defp escaped(<<byte, rest::binary>>, done),
    do: escaped(rest, <<done::binary, "\\x", Base.encode16(<<byte>>)::binary>>)

  defp escaped("", done), do: done

  defp escape(?\e), do: "\\e"
  defp escape(?\n), do: "\\n"
  defp escape(?\r), do: "\\r"
  defp escape(?\t), do: "\\t"

  defp escape(char) when is_hidden(char), do: "\\x{" <> Integer.to_string(char, 16) <> "}"

  defp escape(char), do: <<char::utf8>>

  @doc ~S"""
  Text of others for a sentence: in quotes, escaped, and cut to `most` characters.

      iex> Hotpush.Text.quoted("rpi0")
      ~S("rpi0")
      iex> Hotpush.Text.quoted("a\"b\n")
      ~S("a\"b\n")
      iex> Hotpush.Text.quoted("abcdef", 3)
      ~S("abc...")
  """
  @spec quoted(String.t(), pos_integer()) :: String.t()
  def quoted(text, most \\ 100) do
    shown = printable(text)
    rest = if String.length(shown) > most, do: "...", else: ""
    ~s(") <> (shown |> String.slice(0, most) |> String.replace(~s("), ~s(\\"))) <> rest <> ~s(")
  end

  @doc ~S"""
  A name or a version from a device: unchanged if it has the form of one, which is harmless in a shell,
  otherwise as `quoted/2` shows it.

      iex> Hotpush.Text.name("Elixir.Example.Über")
      "Elixir.Example.Über"
      iex> Hotpush.Text.name("1.18.0-rc.1+build")
      "1.18.0-rc.1+build"
      iex> Hotpush.Text.name("$(touch x)")
      ~S|"$(touch x)"|
  """
  @spec name(String.t()) :: String.t()
  def name(text) do
    if String.valid?(text) and text =~ ~r/\A[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.@+:-]{0,254}\z/u,
      do: text,
      else: quoted(text)
  end

  @doc """
  Several names, each as in `name/1`. Of more than ten, the first ten and a count of the others.

      iex> Hotpush.Text.names(["a", "b c"])
      ~S(a, "b c")
  """
  @spec names([String.t()]) :: String.t()
  def names(texts) do
    {shown, more} = Enum.split(texts, 10)
    list = Enum.map_join(shown, ", ", &name/1)
    if more == [], do: list, else: list <> " and #{length(more)} more"
  end

  @doc """
  A size in bytes, for people.

      iex> Hotpush.Text.bytes(912)
      "912 B"
      iex> Hotpush.Text.bytes(1_434)
      "1.4 kB"
      iex> Hotpush.Text.bytes(2_500_000)
      "2.5 MB"
  """
  @spec bytes(non_neg_integer()) :: String.t()
  def bytes(count) when count < 1_000, do: "#{count} B"
  def bytes(count) when count < 1_000_000, do: "#{Float.round(count / 1_000, 1)} kB"
  def bytes(count), do: "#{Float.round(count / 1_000_000, 1)} MB"

  @doc """
  A number with its noun.

      iex> {Hotpush.Text.count(1, "round trip"), Hotpush.Text.count(2, "module")}
      {"1 round trip", "2 modules"}
  """
  @spec count(non_neg_integer(), String.t()) :: String.t()
  def count(1, noun), do: "1 " <> noun
  def count(number, noun), do: "#{number} #{noun}s"

  @doc """
  Milliseconds, rounded: below ten with one decimal.

      iex> {Hotpush.Text.ms(3.14), Hotpush.Text.ms(38.4)}
      {"3.1 ms", "38 ms"}
  """
  @spec ms(number()) :: String.t()
  def ms(ms) when ms < 10, do: "#{Float.round(ms / 1, 1)} ms"
  def ms(ms), do: "#{round(ms)} ms"

  @doc """
  How long ago something was, from seconds, in the largest unit.

      iex> Enum.map([0, 59, 60, 7_260, 200_000], &Hotpush.Text.ago/1)
      ["0 seconds ago", "59 seconds ago", "1 minute ago", "2 hours ago", "2 days ago"]
  """
  @spec ago(non_neg_integer()) :: String.t()
  def ago(seconds) when seconds < 60, do: count(seconds, "second") <> " ago"
  def ago(seconds) when seconds < 3_600, do: count(div(seconds, 60), "minute") <> " ago"
  def ago(seconds) when seconds < 86_400, do: count(div(seconds, 3_600), "hour") <> " ago"
  def ago(seconds), do: count(div(seconds, 86_400), "day") <> " ago"

  @doc """
  A word of a command to copy, quoted for sh, bash and zsh.

      iex> for word <- ["nerves.local", "[nerves.local]:2222", "it's", "=a"], do: Hotpush.Text.word(word)
      ["nerves.local", "'[nerves.local]:2222'", "'it'\\\\''s'", "'=a'"]
  """
  @spec word(String.t()) :: String.t()
  def word(text) do
    # zsh reads a leading = as the path of a command, and [ ? * as patterns that must match.
    if text =~ ~r{\A[A-Za-z0-9_./:@+,-][A-Za-z0-9_./:@%+,=-]*\z},
      do: text,
      else: "'" <> String.replace(text, "'", "'\\''") <> "'"
  end
end
