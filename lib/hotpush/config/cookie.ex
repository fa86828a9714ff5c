defmodule Hotpush.Config.Cookie do
  @moduledoc """
  Which cookie goes to which device: `--cookie`, `HOTPUSH_COOKIE`, the device's own of
  `hotpush.toml`, that file's for all, the Mix config's.
  """

  alias Hotpush.{Config, Error}
  alias Hotpush.Config.{Secret, Target, Toml}
  alias Hotpush.Config.Toml.Cookie

  @doc """
  The targets with their own cookies, and the cookie for the rest. In the place of one that cannot
  be had is the error that says why: it is no mistake where no device needs it.

  `given` is what the command line or the environment says, which counts for every device; then
  nothing is looked up. `configured` is the Mix config's.
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

  @doc "Why a device cannot be offered the cookie that it needs; `nil` where it can, or needs none."
  @spec missing(Target.t(), Config.t()) :: Error.t() | nil
  def missing(%Target{way: {:ssh, _}}, _config), do: nil
  def missing(%Target{cookie: nil, cookie_error: nil}, config), do: config.cookie_error
  def missing(target, _config), do: target.cookie_error

  @doc "The first of the errors, where no device is left that has its cookie or needs none."
  @spec some(Config.t()) :: :ok | {:error, Error.t()}
  def some(%{targets: targets} = config) do
    missing = for target <- targets, error = missing(target, config), do: error

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
