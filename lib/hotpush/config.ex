defmodule Hotpush.Config do
  @moduledoc """
  What was asked for: the command line over the environment over the project's config.

  Nothing else reads the environment or the application's config. The cookie is never inspected.
  """

  alias Hotpush.Config.Arguments
  alias Hotpush.{Error, Secret}

  defstruct app_names: [],
            nodes: [],
            cookie: nil,
            modules: [],
            apps: [],
            all?: false,
            dry_run?: false,
            json: nil,
            compile?: true,
            timeout: 30_000,
            purge: :soft,
            force?: false,
            docs?: false,
            verbosity: :normal

  @type t :: %__MODULE__{
          app_names: [atom()],
          nodes: [node()],
          cookie: Secret.t() | nil,
          modules: [String.t()],
          apps: [atom()],
          all?: boolean(),
          dry_run?: boolean(),
          json: Path.t() | nil,
          compile?: boolean(),
          timeout: pos_integer(),
          purge: :soft | :kill,
          force?: boolean(),
          docs?: boolean(),
          verbosity: :quiet | :normal | :verbose
        }

  @doc """
  Builds the config from `argv`, the environment (a map) and the application environments
  (`%{hotpush: keyword, mix_tasks_upload_hotswap: keyword}`).

  The second one is what the older task was configured by; it counts where the first is empty.
  """
  @spec build([String.t()], %{String.t() => String.t()}, %{atom() => keyword()}) ::
          {:ok, t()} | {:error, Error.t()}
  def build(argv, env, app_envs) do
    with {:ok, options} <- Arguments.parse(argv),
         base = app_env(app_envs),
         {:ok, timeout} <- timeout(options),
         {:ok, purge} <- purge(options),
         {:ok, nodes} <- nodes(options, base),
         {:ok, app_names} <- atoms(base[:app_name], :app_name),
         {:ok, cookie} <-
           cookie(options[:cookie] || given(env["HOTPUSH_COOKIE"]) || base[:cookie]),
         {:ok, apps} <- apps(Keyword.get_values(options, :app)) do
      {:ok,
       %__MODULE__{
         app_names: app_names,
         nodes: nodes,
         cookie: cookie,
         modules: Keyword.get_values(options, :module),
         apps: apps,
         all?: Keyword.get(options, :all, false),
         dry_run?: Keyword.get(options, :dry_run, false),
         json: options[:json],
         compile?: Keyword.get(options, :compile, true),
         timeout: timeout,
         purge: purge,
         force?: Keyword.get(options, :force, false),
         docs?: Keyword.get(options, :docs, false),
         verbosity: verbosity(options)
       }}
    end
  end

  defp app_env(%{hotpush: [_ | _] = own}), do: own
  defp app_env(app_envs), do: Map.get(app_envs, :mix_tasks_upload_hotswap, [])

  # The VM waits at most 2^32 - 1 ms at a time, and some waits are a little longer than this one.
  @longest 4_000_000_000

  defp timeout(options) do
    case Keyword.get(options, :timeout, 30_000) do
      ms when ms in 1..@longest -> {:ok, ms}
      ms -> Arguments.bad("--timeout", ms)
    end
  end

  defp purge(options) do
    case Keyword.get(options, :purge, "soft") do
      "soft" -> {:ok, :soft}
      "kill" -> {:ok, :kill}
      other -> Arguments.bad("--purge", other)
    end
  end

  defp nodes(options, base) do
    case Keyword.get_values(options, :node) do
      [] -> atoms(base[:nodes], :nodes)
      names -> atoms(names, :nodes)
    end
    |> check_nodes()
  end

  defp check_nodes({:ok, []}), do: {:error, Error.new(:usage, nil, :no_nodes)}

  defp check_nodes({:ok, nodes}) do
    case Enum.reject(nodes, &(to_string(&1) =~ ~r/\A[0-9A-Za-z_\-]+@[^@\s\/]+\z/)) do
      [] -> {:ok, Enum.uniq(nodes)}
      [bad | _] -> {:error, Error.new(:usage, bad, :bad_node)}
    end
  end

  defp check_nodes(error), do: error

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
    expected = if key == :nodes, do: "a list of node names", else: "the name of an application"
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

  defp given(""), do: nil
  defp given(text), do: text

  defp cookie(none) when none in [nil, ""], do: {:ok, nil}

  defp cookie(atom) when is_atom(atom), do: atom |> to_string() |> cookie()

  # The handshake hashes its bytes, and the VM logs a cookie that it cannot hash.
  defp cookie(text) when is_binary(text) do
    cond do
      not latin1?(text) -> bad_cookie("made of Latin-1 characters")
      not short_text?(text) -> bad_cookie("at most 255 characters long")
      true -> {:ok, Secret.wrap(String.to_atom(text))}
    end
  end

  defp cookie(_), do: bad_cookie("an atom or a string")

  defp bad_cookie(expected), do: {:error, Error.new(:usage, :cookie, {:bad_config, expected})}

  defp latin1?(text),
    do: String.valid?(text) and Enum.all?(String.to_charlist(text), &(&1 <= 255))

  defp verbosity(options) do
    cond do
      options[:quiet] -> :quiet
      options[:verbose] -> :verbose
      true -> :normal
    end
  end
end
