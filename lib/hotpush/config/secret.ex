defmodule Hotpush.Config.Secret do
  @moduledoc """
  A value that stays hidden if something that contains it is inspected.

  It is wrapped in a function. Deriving `Inspect` would hide it too, but would add an implementation to
  the consolidated protocols of every project that uses Hotpush, which then differ from its firmware's.
  """

  @type t :: (() -> atom())
  @type text :: (() -> String.t())

  @doc """
  Hides a value.

      iex> secret = Hotpush.Config.Secret.wrap(:sesame)
      iex> inspect(%{cookie: secret}) =~ "sesame"
      false
      iex> Hotpush.Config.Secret.unwrap(secret)
      :sesame
  """
  @spec wrap(atom()) :: t()
  @spec wrap(String.t()) :: text()
  def wrap(value), do: fn -> value end

  @doc "The value; `nil` stays `nil`."
  @spec unwrap(t() | nil) :: atom() | nil
  @spec unwrap(text()) :: String.t()
  def unwrap(nil), do: nil
  def unwrap(secret), do: secret.()
end
