defmodule Hotpush.Config.Toml.Document do
  @moduledoc """
  From what the native library read to settings: targets, and secrets that do not show. Pure.

  An error in a value has its line and column.
  """

  alias Hotpush.Error
  alias Hotpush.Config.{Secret, Target, Toml}

  @doc "The settings, or the first error."
  @spec settings(Toml.t(), tuple()) :: {:ok, Toml.t()} | {:error, Error.t()}
  def settings(empty, {apps, cookie, devices, groups}) do
    with {:ok, targets} <- targets(empty.shown, devices),
         :ok <- distinct(empty.shown, Enum.zip(targets, devices)) do
      own = for {{name, _, _}, _, _, _, cookie} <- devices, cookie, do: {name, source(cookie)}

      {:ok,
       %{
         empty
         | app_names: for({name, _, _} <- apps, do: String.to_atom(name)),
           app_places: Map.new(apps, &app_place(empty.shown, &1)),
           cookie: cookie && source(cookie),
           cookies: Map.new(own),
           devices: targets,
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

  # The name of a variable or a path is not a secret, but is hidden too, for simplicity.
  defp source({kind, {text, line, column}}), do: {kind, Secret.wrap(text), {line, column}}

  defp targets(shown, devices) do
    Enum.reduce_while(devices, {:ok, []}, fn {{nickname, _, _}, ssh, node, adb, _}, {:ok, done} ->
      case target(shown, ssh, node, adb) do
        {:ok, target} -> {:cont, {:ok, done ++ [Target.nicknamed(target, nickname)]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp target(shown, ssh, nil, nil), do: at(shown, ssh, &Target.ssh/1)
  defp target(shown, nil, node, nil), do: at(shown, node, &Target.node/1)
  defp target(shown, nil, nil, adb), do: at(shown, adb, &Target.adb/1)

  defp target(shown, nil, node, adb) do
    with {:ok, %Target{way: {:node, node}}} <- at(shown, node, &Target.node/1),
         do: at(shown, adb, &Target.adb(&1, node))
  end

  defp at(shown, {text, line, column}, make) do
    with {:error, error} <- make.(text),
         do: {:error, error(shown, {line, column}, {:settings_value, error})}
  end

  # With two nicknames for one device, a push would go to it twice at once.
  defp distinct(shown, [{target, _} | rest]) do
    case Enum.find(rest, fn {other, _} -> Target.identity(other) == Target.identity(target) end) do
      nil ->
        distinct(shown, rest)

      {other, {{_, line, column}, _, _, _, _}} ->
        {:error,
         error(
           shown,
           {line, column},
           {:same_device, other.nickname, target.nickname, target.address}
         )}
    end
  end

  defp distinct(_shown, []), do: :ok
end
