defmodule Hotpush.Config do
  @moduledoc """
  The config: what was typed (`Hotpush.Config.Given`), together with the environment, `hotpush.toml` and
  the Mix config, in this order of precedence.

  Nothing else reads them. The cookie is never inspected. A config may name no device: callers that need
  one, such as `to_push/1`, check this.
  """

  alias Hotpush.Config.{Cookie, Given, MixConfig, Secret, Target, Toml}
  alias Hotpush.Config.Toml.Selection
  alias Hotpush.Error

  defstruct app_names: [],
            app_places: %{},
            targets: [],
            stock: [],
            cookie: nil,
            cookie_error: nil,
            cookie_variables: [],
            who: "",
            guides: "guides",
            file: nil,
            unread: nil,
            modules: [],
            apps: [],
            all?: false,
            dry_run?: false,
            json: nil,
            compile?: true,
            timeout: 30_000,
            wait: nil,
            purge: :soft,
            force?: false,
            docs?: false,
            discover?: false,
            watch?: false,
            discovery: [],
            note?: true,
            verbosity: :normal

  @typedoc """
    * `:targets` - the devices that are named; `:stock` - the device that is used if none is named
    * `:file` - the path of the `hotpush.toml` that was read, for messages; `:unread` - why it was not
    * `:guides` - the folder of Hotpush's guides, for messages
    * `:cookie` - of devices without one of their own; `:cookie_error` - why it is missing
    * `:cookie_variables` - the environment variables that the file names for cookies
  """
  @type t :: %__MODULE__{
          app_names: [atom()],
          app_places: %{atom() => String.t()},
          targets: [Target.t()],
          stock: [Target.t()],
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          cookie_variables: [String.t()],
          who: String.t(),
          guides: Path.t(),
          file: String.t() | nil,
          unread: Error.t() | nil,
          modules: [String.t()],
          apps: [atom()],
          all?: boolean(),
          dry_run?: boolean(),
          json: Path.t() | nil,
          compile?: boolean(),
          timeout: pos_integer(),
          wait: pos_integer() | nil,
          purge: :soft | :kill,
          force?: boolean(),
          docs?: boolean(),
          discover?: boolean(),
          watch?: boolean(),
          discovery: [module()],
          note?: boolean(),
          verbosity: :quiet | :normal | :verbose
        }

  # The name under which every stock device of this kind is found.
  @stock_host "nerves.local"

  @doc """
  The config from `given`, the environment (a map) and the application environments
  (`%{hotpush: keyword, mix_tasks_upload_hotswap: keyword}`).

  `target` is the build target, as in MIX_TARGET. `dirs` are the folders in which hotpush.toml may
  be; the first one that has one counts.

  If a hotpush.toml cannot be read because the native library is missing, `:unread` has that error. It
  becomes the result only if a name has to be looked up in the file. If a cookie is missing, only the
  devices that need it fail.
  """
  @spec build(Given.t(), env, %{atom() => keyword()}, atom(), [Path.t()]) ::
          {:ok, t()} | {:error, Error.t()}
        when env: %{String.t() => String.t()}
  def build(%Given{} = given, env, app_envs, target \\ :host, dirs \\ []) do
    with {:ok, mix} <- MixConfig.read(app_envs),
         {:ok, settings, unread} <- settings(dirs),
         {:ok, targets} <- Selection.targets(given.devices, settings || unread, mix.devices),
         {:ok, stock} <- stock(target),
         cookie = present(Secret.unwrap(given.cookie)) || present(env["HOTPUSH_COOKIE"]),
         configured = Secret.unwrap(mix.cookie),
         {:ok, targets, cookie} <- Cookie.put(targets, cookie, settings, configured, env) do
      config = %__MODULE__{targets: targets, stock: stock, unread: unread, who: who(env)}
      config = %{config | cookie: cookie.value, cookie_error: cookie.error}
      config = %{config | app_names: mix.app_names, discovery: mix.discovery, note?: mix.note?}
      {:ok, config |> filed(settings) |> options(given)}
    end
  end

  # Without the native library, only what needs the file fails.
  defp settings(dirs) do
    case Toml.find(dirs) do
      {:ok, settings} -> {:ok, settings, nil}
      {:error, %Error{reason: :settings_unread} = unread} -> {:ok, nil, unread}
      {:error, error} -> {:error, error}
    end
  end

  defp stock(:host), do: {:ok, []}
  defp stock(_target), do: Selection.targets([ssh: @stock_host], nil)

  defp filed(config, nil), do: config

  defp filed(config, settings) do
    %{
      config
      | file: settings.shown,
        app_names: if(settings.app_names == [], do: config.app_names, else: settings.app_names),
        app_places: settings.app_places,
        cookie_variables: Toml.cookie_variables(settings)
    }
  end

  defp options(config, given) do
    %{
      config
      | modules: given.module,
        apps: Enum.map(given.app, &String.to_atom(String.trim_leading(&1, ":"))),
        all?: given.all,
        dry_run?: given.dry_run,
        json: given.json,
        compile?: given.compile,
        timeout: given.timeout || config.timeout,
        wait: given.wait && given.wait * 1000,
        purge: if(given.purge == "kill", do: :kill, else: :soft),
        force?: given.force,
        docs?: given.docs,
        discover?: given.discover == true,
        watch?: given.watch,
        verbosity: verbosity(Map.from_struct(given))
    }
  end

  # Shown to others who find a device busy with this push.
  defp who(env) do
    user = Enum.find_value(["USER", "LOGNAME", "USERNAME"], "somebody", &present(env[&1]))
    {:ok, host} = :inet.gethostname()
    "#{user}@#{host}"
  end

  defp present(""), do: nil
  defp present(text), do: text

  @doc "The config with the stock device, if no device is named and there is a build target."
  @spec or_stock(t()) :: t()
  def or_stock(%__MODULE__{targets: []} = config), do: %{config | targets: config.stock}
  def or_stock(config), do: config

  @doc """
  The config with devices to push to: those that are named, or the stock one.

  Returns an error if there is none, or if none has the cookie that it needs.
  """
  @spec to_push(t()) :: {:ok, t()} | {:error, Error.t()}
  def to_push(config) do
    case config do
      %{targets: [], unread: %Error{} = unread} -> {:error, unread}
      %{targets: [], stock: [], file: file} -> {:error, Error.new(:usage, file, :no_nodes)}
      _ -> with config = or_stock(config), :ok <- Cookie.some(config), do: {:ok, config}
    end
  end

  @doc "The verbosity from `--quiet` and `--verbose`."
  @spec verbosity(keyword() | map()) :: :quiet | :normal | :verbose
  def verbosity(options) do
    cond do
      options[:quiet] -> :quiet
      options[:verbose] -> :verbose
      true -> :normal
    end
  end
end
