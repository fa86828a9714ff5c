defmodule Hotpush.Config.Cookie do
  @moduledoc """
  Which cookie goes to which device: `--cookie`, `HOTPUSH_COOKIE`, the device's own of
  `hotpush.toml`, that file's for all, the Mix config's.
  """

  alias Hotpush.{Config, Error}
  alias Hotpush.Config.{Route, Secret, Toml}
  alias Hotpush.Config.Toml.Cookie

  @doc """
  The routes with their own cookies, and the cookie for the rest. In the place of one that cannot
  be had is the error that says why: it is no mistake where no device needs it.

  `given` is what the command line or the environment says, which counts for every device; then
  nothing is looked up. `configured` is the Mix config's.
  """
  @spec put([Route.t()], term(), Toml.t() | nil, term(), %{String.t() => String.t()}) ::
          {:ok, [Route.t()], %{value: Secret.t() | nil, error: Error.t() | nil}}
          | {:error, Error.t()}
  def put(routes, nil, %Toml{} = settings, configured, env) do
    with {:ok, configured} <- checked(configured) do
      {value, error} = resolved(settings.cookie, settings, env)
      value = if settings.cookie, do: value, else: configured
      {:ok, Enum.map(routes, &own(&1, settings, env)), %{value: value, error: error}}
    end
  end

  def put(routes, given, _settings, configured, _env) do
    with {:ok, cookie} <- checked(given || configured),
         do: {:ok, routes, %{value: cookie, error: nil}}
  end

  @doc "Why a device cannot be offered the cookie that it needs; `nil` where it can, or needs none."
  @spec missing(Route.t(), Config.t()) :: Error.t() | nil
  def missing(%Route{way: {:ssh, _}}, _config), do: nil
  def missing(%Route{cookie: nil, cookie_error: nil}, config), do: config.cookie_error
  def missing(route, _config), do: route.cookie_error

  @doc "The first of the errors, where no device is left that has its cookie or needs none."
  @spec some(Config.t()) :: :ok | {:error, Error.t()}
  def some(%{routes: routes} = config) do
    missing = for route <- routes, error = missing(route, config), do: error

    if missing != [] and length(missing) == length(routes),
      do: {:error, hd(missing)},
      else: :ok
  end

  # ssh needs none.
  defp own(%Route{way: {:ssh, _}} = route, _settings, _env), do: route

  defp own(route, settings, env) do
    {cookie, error} = resolved(settings.cookies[route.nickname], settings, env)
    %{route | cookie: cookie, cookie_error: error}
  end

  defp resolved(nil, _settings, _env), do: {nil, nil}

  defp resolved(cookie, settings, env) do
    case Cookie.resolve(cookie, settings, env) do
      {:ok, cookie} -> {cookie, nil}
      {:error, error} -> {nil, error}
    end
  end

  defp checked(cookie) do
    with {:error, expected} <- Cookie.check(cookie),
         do: {:error, Error.new(:usage, :cookie, {:bad_config, expected})}
  end
end
