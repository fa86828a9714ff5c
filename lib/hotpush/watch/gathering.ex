defmodule Hotpush.Watch.Gathering do
  @quiet_ms 15
  @longest_ms 150

  @moduledoc """
  Gathers saves that belong together, such as those of a checkout, into one push: until nothing has been
  saved for #{@quiet_ms} ms, but for at most #{@longest_ms} ms after the first save. Pure; times are in
  milliseconds.
  """

  defstruct [:first, :last]

  @typedoc "When the first and the last save were seen; `nil` if there is none."
  @type t :: %__MODULE__{first: number() | nil, last: number() | nil}

  @doc """
  Adds a save that was seen at `now`.

      iex> alias Hotpush.Watch.Gathering
      iex> %Gathering{} |> Gathering.add(100) |> Gathering.add(110)
      %Gathering{first: 100, last: 110}
  """
  @spec add(t(), number()) :: t()
  def add(%__MODULE__{first: first}, now), do: %__MODULE__{first: first || now, last: now}

  @doc """
  How long to wait for more saves. 0 if a push is due, `:infinity` if nothing was saved.

      iex> alias Hotpush.Watch.Gathering
      iex> Gathering.left(%Gathering{}, 100)
      :infinity
      iex> Gathering.left(%Gathering{first: 100, last: 110}, 112)
      13
      iex> Gathering.left(%Gathering{first: 100, last: 245}, 248)
      2
      iex> Gathering.left(%Gathering{first: 100, last: 110}, 125)
      0
  """
  @spec left(t(), number()) :: non_neg_integer() | :infinity
  def left(%__MODULE__{first: nil}, _now), do: :infinity

  def left(%__MODULE__{first: first, last: last}, now),
    do: max(ceil(min(last + @quiet_ms, first + @longest_ms) - now), 0)
end
