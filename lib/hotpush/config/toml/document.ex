defmodule Hotpush.Config.Toml.Document do
  @moduledoc """
  From what the native library read to settings: routes, and secrets that do not show. Pure.

  What is wrong with a value is told with its line and column.
  """

  alias Hotpush.Error
  alias Hotpush.Config.{Route, Secret, Toml}

  @doc "The settings, or the first value that does not do."
  @spec settings(Toml.t(), tuple()) :: {:ok, Toml.t()} | {:error, Error.t()}
  def settings(empty, {apps, cookie, devices, groups}) do
    with {:ok, routes} <- routes(empty.shown, devices),
         :ok <- distinct(empty.shown, Enum.zip(routes, devices)) do
      own = for {{name, _, _}, _, _, _, cookie} <- devices, cookie, do: {name, source(cookie)}

      {:ok,
       %{
         empty
         | app_names: for({name, _, _} <- apps, do: String.to_atom(name)),
           app_places: Map.new(apps, &app_place(empty.shown, &1)),
           cookie: cookie && source(cookie),
           cookies: Map.new(own),
           devices: routes,
           groups: for({{name, _, _}, members} <- groups, into: %{}, do: {name, texts(members)})
       }}
    end
  end

  @doc "An error at a place of the file."
  @spec error(String.t(), {pos_integer(), pos_integer()}, term()) :: Error.t()
  def error(shown, {line, column}, reason),
    do: Error.new(:usage, "#{shown}:#{line}:#{column}", reason)

  defp app_place(shown, {name, line, column}),
    do: {String.to_atom(name), "#{shown}:#{line}:#{column}"}

  defp texts(placed), do: for({text, _, _} <- placed, do: text)

  # What an environment variable or a path says is no secret, but needs no other treatment.
  defp source({kind, {text, line, column}}), do: {kind, Secret.wrap(text), {line, column}}

  defp routes(shown, devices) do
    Enum.reduce_while(devices, {:ok, []}, fn {{nickname, _, _}, ssh, node, adb, _}, {:ok, done} ->
      case route(shown, ssh, node, adb) do
        {:ok, route} -> {:cont, {:ok, done ++ [Route.nicknamed(route, nickname)]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp route(shown, ssh, nil, nil), do: at(shown, ssh, &Route.ssh/1)
  defp route(shown, nil, node, nil), do: at(shown, node, &Route.node/1)
  defp route(shown, nil, nil, adb), do: at(shown, adb, &Route.adb/1)

  defp route(shown, nil, node, adb) do
    with {:ok, %Route{way: {:node, node}}} <- at(shown, node, &Route.node/1),
         do: at(shown, adb, &Route.adb(&1, node))
  end

  defp at(shown, {text, line, column}, make) do
    with {:error, error} <- make.(text),
         do: {:error, error(shown, {line, column}, {:settings_value, error})}
  end

  # Two nicknames for one device would push to it twice at once.
  defp distinct(shown, [{route, _} | rest]) do
    case Enum.find(rest, fn {other, _} -> Route.address(other) == Route.address(route) end) do
      nil ->
        distinct(shown, rest)

      {other, {{_, line, column}, _, _, _, _}} ->
        {:error,
         error(shown, {line, column}, {:same_device, other.nickname, route.nickname, route.name})}
    end
  end

  defp distinct(_shown, []), do: :ok
end
