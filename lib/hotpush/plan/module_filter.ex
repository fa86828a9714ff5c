defmodule Hotpush.Plan.ModuleFilter do
  @moduledoc "Selects the modules of `--module` and `--app`. Pure."

  alias Hotpush.Error
  alias Hotpush.Project.Inventory

  @typedoc "`:all`, or the names that the options select."
  @type t :: :all | MapSet.t(String.t())

  @doc """
  Resolves module patterns and applications against the inventory.

  A pattern is a module name (`Example.Foo`, `Elixir.Example.Foo`, `:erlang_mod`), or such a name with
  `.*` at the end, which selects the modules below it.
  """
  @spec resolve([String.t()], [atom()], Inventory.t()) :: {:ok, t()} | {:error, Error.t()}
  def resolve([], [], _inventory), do: {:ok, :all}

  def resolve(patterns, apps, inventory) do
    names = Map.keys(inventory.beams)
    in_apps = for {name, beam} <- inventory.beams, beam.app in apps, do: name

    Enum.reduce_while(patterns, {:ok, MapSet.new(in_apps)}, fn pattern, {:ok, chosen} ->
      case matching(pattern, names) do
        [] ->
          {:halt, {:error, Error.new(:usage, pattern, unknown(pattern, names, inventory))}}

        found ->
          {:cont, {:ok, MapSet.union(chosen, MapSet.new(found))}}
      end
    end)
  end

  @doc "Whether a module is selected."
  @spec includes?(t(), String.t()) :: boolean()
  def includes?(:all, _name), do: true
  def includes?(names, name), do: MapSet.member?(names, name)

  @doc "Up to three names that resemble the one given, best first, as a user would write them."
  @spec near(String.t(), [String.t()]) :: [String.t()]
  def near(text, names) do
    text = plain(text)

    names
    |> Enum.map(&{String.jaro_distance(String.downcase(text), String.downcase(plain(&1))), &1})
    |> Enum.filter(fn {score, _} -> score > 0.77 end)
    |> Enum.sort(:desc)
    |> Enum.take(3)
    |> Enum.map(fn {_, name} -> plain(name) end)
  end

  defp matching(pattern, names) do
    case String.split_at(pattern, -2) do
      {parent, ".*"} -> Enum.filter(names, &under?(&1, parent))
      _ -> Enum.filter(candidates(pattern), &(&1 in names))
    end
  end

  defp unknown(pattern, names, inventory) do
    if Enum.any?(candidates(pattern), &(&1 in inventory.ways)),
      do: :way_not_pushed,
      else: {:no_such_module, near(pattern, names)}
  end

  defp under?(name, parent),
    do: Enum.any?(candidates(parent), &String.starts_with?(name, &1 <> "."))

  defp candidates(":" <> erlang), do: [String.trim(erlang, "\"")]
  defp candidates("Elixir." <> _ = full), do: [full]
  defp candidates(name), do: ["Elixir." <> name, name]

  defp plain("Elixir." <> name), do: name
  defp plain(":" <> name), do: name
  defp plain(name), do: String.trim_trailing(name, ".*")
end
