defmodule Hotpush.Config.Cookie do
  @moduledoc """
  Which cookie goes to which device: `--cookie`, `HOTPUSH_COOKIE`, the device's own of
  `hotpush.toml`, that file's for all, the Mix config's.
  """

  alias Hotpush.{Error, Route, Secret, Settings}
  alias Hotpush.Settings.Cookie

  @doc """
  The routes with their own cookies, and the cookie for the rest.

  `given` is what the command line or the environment says, which counts for every device; then
  nothing is looked up. `configured` is the Mix config's.
  """
  @spec put([Route.t()], term(), Settings.t() | nil, term(), %{String.t() => String.t()}) ::
          {:ok, [Route.t()], Secret.t() | nil} | {:error, Error.t()}
  def put(routes, nil, %Settings{} = settings, configured, env) do
    with {:ok, routes} <- each_own(routes, settings, env),
         {:ok, common} <- needed(routes, settings, env),
         {:ok, configured} <- checked(configured),
         do: {:ok, routes, common || configured}
  end

  def put(routes, given, _settings, configured, _env) do
    with {:ok, cookie} <- checked(given || configured), do: {:ok, routes, cookie}
  end

  @doc "The cookie that `hotpush.toml` has for all, if it can be had."
  @spec common(Settings.t() | nil, %{String.t() => String.t()}) :: Secret.t() | nil
  def common(%Settings{cookie: cookie} = settings, env) when cookie != nil do
    case Cookie.resolve(cookie, settings, env) do
      {:ok, cookie} -> cookie
      {:error, _error} -> nil
    end
  end

  def common(_settings, _env), do: nil

  # ssh needs none.
  defp each_own(routes, settings, env) do
    Enum.reduce_while(routes, {:ok, []}, fn route, {:ok, done} ->
      own = if needs?(route), do: settings.cookies[route.nickname]

      case own && Cookie.resolve(own, settings, env) do
        nil -> {:cont, {:ok, done ++ [route]}}
        {:ok, cookie} -> {:cont, {:ok, done ++ [%{route | cookie: cookie}]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp needed(routes, settings, env) do
    if settings.cookie && Enum.any?(routes, &(needs?(&1) and &1.cookie == nil)),
      do: Cookie.resolve(settings.cookie, settings, env),
      else: {:ok, nil}
  end

  defp needs?(%Route{way: {:ssh, _}}), do: false
  defp needs?(_route), do: true

  defp checked(cookie) do
    with {:error, expected} <- check(cookie),
         do: {:error, Error.new(:usage, :cookie, {:bad_config, expected})}
  end

  @doc "A cookie as the handshake can use it, hidden; or what it should be."
  @spec check(term()) :: {:ok, Secret.t() | nil} | {:error, String.t()}
  def check(none) when none in [nil, ""], do: {:ok, nil}
  def check(atom) when is_atom(atom), do: atom |> to_string() |> check()

  # The handshake hashes its bytes, and the VM logs a cookie that it cannot hash.
  def check(text) when is_binary(text) do
    cond do
      not latin1?(text) -> {:error, "made of Latin-1 characters"}
      String.length(text) > 255 -> {:error, "at most 255 characters long"}
      true -> {:ok, Secret.wrap(String.to_atom(text))}
    end
  end

  def check(_other), do: {:error, "an atom or a string"}

  defp latin1?(text),
    do: String.valid?(text) and Enum.all?(String.to_charlist(text), &(&1 <= 255))
end
