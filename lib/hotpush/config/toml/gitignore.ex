defmodule Hotpush.Config.Toml.Gitignore do
  @moduledoc "The line that keeps a file out of a repository. Pure."

  @doc ~S"""
  The text of a `.gitignore` with `name` added, or `:there` if it already mentions it.

      iex> Hotpush.Config.Toml.Gitignore.add("/_build\n", "hotpush.toml")
      {:ok, "/_build\n/hotpush.toml\n"}
      iex> Hotpush.Config.Toml.Gitignore.add("/_build", "hotpush.toml")
      {:ok, "/_build\n/hotpush.toml\n"}
      iex> Hotpush.Config.Toml.Gitignore.add("hotpush.toml\r\n", "hotpush.toml")
      :there
      iex> Hotpush.Config.Toml.Gitignore.add("!hotpush.toml\n", "hotpush.toml")
      :there
  """
  @spec add(String.t(), String.t()) :: {:ok, String.t()} | :there
  def add(text, name) do
    lines = text |> String.split("\n") |> Enum.map(&String.trim/1)
    entries = for before <- ["", "/", "**/"], sign <- ["", "!"], do: sign <> before <> name

    cond do
      Enum.any?(lines, &(&1 in entries)) -> :there
      text == "" or String.ends_with?(text, "\n") -> {:ok, text <> "/#{name}\n"}
      true -> {:ok, text <> "\n/#{name}\n"}
    end
  end
end
