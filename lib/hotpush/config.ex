defmodule Hotpush.Config do
  @moduledoc """
  What was asked for: the command line over the environment over `hotpush.toml` over the Mix config.

  Nothing else reads them. The cookie is never inspected.
  """

  alias Hotpush.Config.{Arguments, Cookie}
  alias Hotpush.Error
  alias Hotpush.Config.{Route, Secret, Toml}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Config.Toml.Selection

  defstruct app_names: [],
            app_places: %{},
            routes: [],
            cookie: nil,
            cookie_error: nil,
            cookie_variables: [],
            who: "",
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
            discovery: [],
            note?: true,
            verbosity: :normal

  @type t :: %__MODULE__{
          app_names: [atom()],
          app_places: %{atom() => String.t()},
          routes: [Route.t()],
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          cookie_variables: [String.t()],
          who: String.t(),
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
          discovery: [module()],
          note?: boolean(),
          verbosity: :quiet | :normal | :verbose
        }

  @stock_host "nerves.local"

  @doc "The host that every stock device of the kind answers to: meant where there is a target alone."
  @spec stock_host() :: String.t()
  def stock_host, do: @stock_host

  @doc """
  Builds the config from `argv`, the environment (a map) and the application environments
  (`%{hotpush: keyword, mix_tasks_upload_hotswap: keyword}`).

  The second one is what the older task was configured by; it counts where the first is empty.

  `target` is the build target, as in MIX_TARGET: with one, and no device named anywhere,
  `nerves.local` is meant. `dirs` are the folders in which hotpush.toml may stand; the first one
  that has one counts.

  With `--discover` no device needs to be named, and none is meant where none is.

  A hotpush.toml that cannot be read for want of the native library is `:unread`, the error that
  says why; it is an error where a name of it is asked for, or no other device is named.

  A cookie that cannot be had costs the devices that need it: see `Hotpush.Transport.Targets.list/2`. Where
  that is all of those named, it is an error.
  """
  @spec build([String.t()], env, %{atom() => keyword()}, atom(), [Path.t()]) ::
          {:ok, t()} | {:error, Error.t()}
        when env: %{String.t() => String.t()}
  def build(argv, env, app_envs, target \\ :host, dirs \\ []) do
    with {:ok, options, hosts} <- Arguments.parse(argv),
         {:ok, base} <- app_env(app_envs),
         {:ok, timeout} <- timeout(options),
         {:ok, wait} <- wait(options),
         {:ok, purge} <- purge(options),
         {:ok, settings, unread} <- settings(dirs),
         :ok <- readable(options, unread),
         {:ok, routes} <- routes(options, hosts, settings || unread, base, target),
         {:ok, app_names} <- app_names(settings, base),
         given = given(options[:cookie]) || given(env["HOTPUSH_COOKIE"]),
         {:ok, routes, cookie} <- Cookie.put(routes, given, settings, base[:cookie], env),
         config = %__MODULE__{routes: routes, cookie: cookie.value, cookie_error: cookie.error},
         config = %{config | unread: unread},
         :ok <- if(options[:discover], do: :ok, else: Cookie.some(config)),
         {:ok, discovery} <- atoms(base[:discovery], :discovery),
         {:ok, note?} <- note(base),
         {:ok, apps} <- apps(Keyword.get_values(options, :app)) do
      {:ok,
       %{
         config
         | app_names: app_names,
           app_places: if(settings, do: settings.app_places, else: %{}),
           cookie_variables: if(settings, do: Toml.cookie_variables(settings), else: []),
           who: who(env),
           modules: Keyword.get_values(options, :module),
           apps: apps,
           all?: Keyword.get(options, :all, false),
           dry_run?: Keyword.get(options, :dry_run, false),
           json: options[:json],
           compile?: Keyword.get(options, :compile, true),
           timeout: timeout,
           wait: wait,
           purge: purge,
           force?: Keyword.get(options, :force, false),
           docs?: Keyword.get(options, :docs, false),
           discover?: Keyword.get(options, :discover, false),
           discovery: discovery,
           note?: note?,
           verbosity: verbosity(options)
       }}
    end
  end

  # What only the native library reads costs, without it, those who need it.
  defp settings(dirs) do
    case Toml.find(dirs) do
      {:ok, settings} -> {:ok, settings, nil}
      {:error, %Error{reason: :settings_unread} = unread} -> {:ok, nil, unread}
      {:error, error} -> {:error, error}
    end
  end

  # A nickname or a group is in the file alone. (A host may be anything.)
  defp readable(_options, nil), do: :ok

  defp readable(options, unread) do
    needs = for {:group, name} <- options, do: name
    needs = needs ++ for {:node, name} <- options, not (name =~ "@"), do: name

    case needs do
      [] -> :ok
      [name | _] -> {:error, Error.new(:usage, name, {:name_unread, unread.subject})}
    end
  end

  @keys [:app_name, :nodes, :ssh, :cookie, :discovery, :note]

  defp app_env(%{hotpush: [_ | _] = own}) do
    case Keyword.keys(own) -- @keys do
      [] ->
        {:ok, own}

      [key | _] ->
        near = ModuleFilter.near(to_string(key), Enum.map(@keys, &to_string/1))
        {:error, Error.new(:usage, key, {:unknown_config, Enum.take(near, 1), @keys})}
    end
  end

  defp app_env(app_envs), do: {:ok, Map.get(app_envs, :mix_tasks_upload_hotswap, [])}

  # The VM waits at most 2^32 - 1 ms at a time, and some waits are a little longer than this one.
  @longest 4_000_000_000

  defp timeout(options) do
    case Keyword.get(options, :timeout, 30_000) do
      ms when ms in 1..@longest -> {:ok, ms}
      ms -> Arguments.bad("--timeout", ms)
    end
  end

  defp wait(options) do
    case options[:wait] do
      nil -> {:ok, nil}
      seconds when seconds in 1..div(@longest, 2000)//1 -> {:ok, seconds * 1000}
      seconds -> Arguments.bad("--wait", seconds)
    end
  end

  defp purge(options) do
    case Keyword.get(options, :purge, "soft") do
      "soft" -> {:ok, :soft}
      "kill" -> {:ok, :kill}
      other -> Arguments.bad("--purge", other)
    end
  end

  # Those of the command line in place of hotpush.toml's, these in place of the Mix config's, and
  # with none at all the one that a stock device goes by.
  defp routes(options, hosts, settings, base, target) do
    discover? = Keyword.get(options, :discover, false)
    named = for {key, name} <- options, key in [:node, :ssh, :group], do: {key, name}

    with {:ok, nodes} <- atoms(base[:nodes], :nodes),
         {:ok, ssh} <- atoms(base[:ssh], :ssh) do
      configured = Enum.map(nodes, &{:node, to_string(&1)}) ++ Enum.map(ssh, &{:ssh, &1})

      case {Enum.map(hosts, &{:host, &1}) ++ named, settings, configured, target} do
        {[_ | _] = given, %Error{}, _, _} -> Selection.routes(given, nil)
        {[_ | _] = given, _, _, _} -> Selection.routes(given, settings)
        {[], %Toml{devices: [_ | _] = devices}, _, _} -> {:ok, devices}
        {[], _, [_ | _], _} -> Selection.routes(configured, nil)
        {[], _, [], _} when discover? -> {:ok, []}
        {[], %Error{} = unread, [], _} -> {:error, unread}
        {[], _, [], :host} -> {:error, Error.new(:usage, settings && settings.shown, :no_nodes)}
        {[], _, [], _} -> Selection.routes([ssh: @stock_host], nil)
      end
    end
  end

  defp app_names(%Toml{app_names: [_ | _] = names}, _base), do: {:ok, names}
  defp app_names(_settings, base), do: atoms(base[:app_name], :app_name)

  defp note(base) do
    case Keyword.get(base, :note, true) do
      note? when is_boolean(note?) -> {:ok, note?}
      _ -> {:error, Error.new(:usage, :note, {:bad_config, "true or false"})}
    end
  end

  defp atoms(nil, _key), do: {:ok, []}
  defp atoms(atom, _key) when is_atom(atom), do: {:ok, [atom]}
  defp atoms(text, key) when is_binary(text), do: atoms([text], key)

  defp atoms(list, key) when is_list(list) do
    if Enum.all?(list, &((is_atom(&1) and &1 != nil) or short_text?(&1))),
      do: {:ok, Enum.map(list, &to_atom/1)},
      else: atoms(:error, key, list)
  end

  defp atoms(other, key), do: atoms(:error, key, other)

  defp atoms(:error, key, _got) do
    expected =
      case key do
        :nodes -> "a list of node names"
        :ssh -> "a list of [user@]host[:port]"
        :app_name -> "the name of an application"
        :discovery -> "a list of modules"
      end

    {:error, Error.new(:usage, key, {:bad_config, expected})}
  end

  defp to_atom(atom) when is_atom(atom), do: atom
  defp to_atom(text) when is_binary(text), do: String.to_atom(text)

  # An atom has at most 255 characters.
  defp short_text?(text), do: is_binary(text) and String.length(text) <= 255

  defp apps(names) do
    case Enum.reject(names, &short_text?/1) do
      [] -> {:ok, Enum.map(names, &String.to_atom(String.trim_leading(&1, ":")))}
      [name | _] -> Arguments.bad("--app", name)
    end
  end

  # What others are told who find a device busy with this push.
  defp who(env) do
    user = given(env["USER"]) || given(env["LOGNAME"]) || given(env["USERNAME"]) || "somebody"
    {:ok, host} = :inet.gethostname()
    "#{user}@#{host}"
  end

  defp given(""), do: nil
  defp given(text), do: text

  @doc "What the switches for less and for more of it mean."
  @spec verbosity(keyword()) :: :quiet | :normal | :verbose
  def verbosity(options) do
    cond do
      options[:quiet] -> :quiet
      options[:verbose] -> :verbose
      true -> :normal
    end
  end
end
