defmodule Hotpush.Protocol.Parts do
  @moduledoc """
  The parts of a device's description. Pure.

  A device answers each part together with its print, a digest, and the host remembers both. If the
  print of a part was in the question, the device answers only its place there, so a description that
  the host mostly knows takes few bytes. The device computes every part anew each time, whatever the
  host remembers.
  """

  @typedoc "Parts by print."
  @type t :: %{binary() => {:facts | :impls | :app | :pushed, term()}}

  @doc "The prints, joined, in the order on which `read/2` relies."
  @spec seen(t()) :: binary()
  def seen(parts), do: parts |> prints() |> IO.iodata_to_binary()

  defp prints(parts), do: parts |> Map.keys() |> Enum.sort()

  @doc """
  Puts the parts of an answer together: those in the answer, which has been checked with
  `Hotpush.Protocol.Answer.ask?/1`, and those of `remembered`, which the question named. Returns the
  description and its parts, to be remembered.

      iex> facts = %{otp: "25", erts: "13.0", elixir: "1.14.0", arch: "x86_64", mode: :embedded}
      iex> facts = Map.merge(facts, %{target: :none, firmware: :none, platform: :none})
      iex> told = {"print 2", {:facts, Map.merge(facts, %{others: [], nifs: []})}}
      iex> remembered = %{"print 1" => {:impls, []}}
      iex> read = fn parts -> Hotpush.Protocol.Parts.read(%{cut: 7, parts: parts}, remembered) end
      iex> {:ok, answer, parts} = read.([told, 1])
      iex> {answer.otp, answer.impls, answer.apps, Map.keys(parts)}
      {"25", [], [], ["print 1", "print 2"]}
      iex> read.([told, 1, 1])
      :error
      iex> read.([told, 2])
      :error
  """
  @spec read(map(), t()) :: {:ok, map(), t()} | :error
  def read(%{parts: parts} = answer, remembered) do
    places = remembered |> prints() |> Enum.with_index(1) |> Map.new(fn {p, at} -> {at, p} end)

    told = Enum.map(parts, &told(&1, places, remembered))

    # Each part may appear only once, which bounds the answer by what is remembered.
    with true <- :error not in told and length(Enum.uniq_by(told, &elem(&1, 0))) == length(told),
         [{:facts, facts}] <- of(told, :facts),
         [{:impls, impls}] <- of(told, :impls) do
      {:ok,
       answer
       |> Map.delete(:parts)
       |> Map.merge(facts)
       |> Map.merge(%{
         impls: impls,
         apps: for({_, app} <- of(told, :app), do: app),
         pushed: for({_, shown} <- of(told, :pushed), do: shown)
       }), Map.new(told)}
    else
      _ -> :error
    end
  end

  defp told({print, part}, _places, _remembered), do: {print, part}

  defp told(place, places, remembered) do
    case places do
      %{^place => print} -> {print, Map.fetch!(remembered, print)}
      _ -> :error
    end
  end

  defp of(told, kind), do: for({_, {^kind, _} = part} <- told, do: part)
end
