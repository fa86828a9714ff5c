defmodule Hotpush.Config.Cookie do
  @moduledoc """
  Selects the cookie of each device: `--cookie`, `HOTPUSH_COOKIE`, the device's own in `hotpush.toml`,
  that of the whole file, that of the Mix config.
  """

  alias Hotpush.{Config, Error}
  alias Hotpush.Config.{Secret, Target, Toml}
  alias Hotpush.Config.Toml.Cookie

  @doc """
  The targets with their own cookies, and the cookie for the others. If a cookie is missing, the error
  takes its place: it matters only if a device needs that cookie.

  `given` is the cookie of the command line or the environment. It applies to every device, so nothing
  is then looked up. `configured` is that of the Mix config.
  """
  @spec put([Target.t()], term(), Toml.t() | nil, term(), %{String.t() => String.t()}) ::
          {:ok, [Target.t()], %{value: Secret.t() | nil, error: Error.t() | nil}}
          | {:error, Error.t()}
  def put(targets, nil, %Toml{} = settings, configured, env) do
    with {:ok, configured} <- checked(configured) do
      {value, error} = resolved(settings.cookie, settings, env)
      value = if settings.cookie, do: value, else: configured
      {:ok, Enum.map(targets, &own(&1, settings, env)), %{value: value, error: error}}
    end
  end

  def put(targets, given, _settings, configured, _env) do
    with {:ok, cookie} <- checked(given || configured),
         do: {:ok, targets, %{value: cookie, error: nil}}
  end

  @doc """
  Why the cookie that a device needs is missing, with the device's name; `nil` if it is there, or if the
  device needs none.
  """
  @spec missing(Target.t(), Config.t()) :: Error.t() | nil
  def missing(target, config) do
    with %Error{} = error <- lacks(target, config),
         do: %{error | called: "#{target.name}: #{error.subject}"}
  end

  defp lacks(%Target{way: {:ssh, _}}, _config), do: nil
  defp lacks(%Target{cookie: nil, cookie_error: nil}, config), do: config.cookie_error
  defp lacks(target, _config), do: target.cookie_error

  @doc "The first error, if no device has its cookie or needs none."
  @spec some(Config.t()) :: :ok | {:error, Error.t()}
  def some(%{targets: targets} = config) do
    missing = for target <- targets, error = lacks(target, config), do: error

    if missing != [] and length(missing) == length(targets),
      do: {:error, hd(missing)},
      else: :ok
  end

  # ssh needs none.
  defp own(%Target{way: {:ssh, _}} = target, _settings, _env), do: target

  defp own(target, settings, env) do
    {cookie, error} = resolved(settings.cookies[target.nickname], settings, env)
    %{target | cookie: cookie, cookie_error: error}
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
