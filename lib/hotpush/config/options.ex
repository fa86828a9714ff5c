defmodule Hotpush.Config.Options do
  @moduledoc """
  The options of the functions in `Hotpush`: those of `mix upload.hotswap`, as a keyword list. They
  go the way of the command line, so that both are checked, and outweigh the rest, alike.
  """

  alias Hotpush.Config.Arguments
  alias Hotpush.{Config, Error}
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Workspace

  @doc """
  The config that the options make with the environment, hotpush.toml and the project's config.

  Without any device it has no routes, which is for the caller to judge. Nothing is printed in the
  course of what it is used for, unless `verbose: true` is among the options.
  """
  @spec config(keyword()) :: {:ok, Config.t()} | {:error, Error.t()}
  def config(options) do
    with :ok <- Workspace.check(),
         {:ok, argv} <- argv(options) do
      argv = if options[:verbose], do: argv, else: ["--quiet" | argv]
      build(argv)
    end
  end

  # Without a device the config is one for anybody's.
  defp build(argv) do
    with {:error, %Error{reason: why}} when why in [:no_nodes, :settings_unread] <-
           Workspace.config(argv),
         {:ok, config} <- Workspace.config(["--node=nobody@localhost" | argv]),
         do: {:ok, %{config | routes: []}}
  end

  @doc """
  The options as they would stand on the command line.

      iex> Hotpush.Config.Options.argv(node: [:"a@b", "c@d"], dry_run: true, compile: false, timeout: 500)
      {:ok, ["--node=a@b", "--node=c@d", "--dry-run", "--no-compile", "--timeout=500"]}
      iex> {:error, error} = Hotpush.Config.Options.argv(module: {1, 2})
      iex> Hotpush.Error.message(error)
      "module: takes text, an atom, a number, true or false, or a list of them, got {1, 2}."
      iex> {:error, error} = Hotpush.Config.Options.argv(%{cookie: "sesame"})
      iex> Hotpush.Error.message(error) =~ "the options are a keyword list"
      true
      iex> inspect(error) <> Hotpush.Error.message(error) =~ "sesame"
      false
      iex> {:error, error} = Hotpush.Config.Options.argv(discover: true)
      iex> Hotpush.Error.message(error)
      "discover: is an option of the mix task alone: name the device, as mix hotpush.devices lists it."
      iex> {:error, error} = Hotpush.Config.Options.argv(nodes: [:"a@b"])
      iex> Hotpush.Error.message(error)
      "there is no option nodes: here, see Hotpush's documentation. Did you mean node:?"
  """
  @spec argv(keyword()) :: {:ok, [String.t()]} | {:error, Error.t()}
  def argv(options) do
    if Keyword.keyword?(options),
      do: collect(options, []),
      else: {:error, Error.new(:usage, :options, :no_keywords)}
  end

  defp collect([], argv), do: {:ok, argv |> Enum.reverse() |> List.flatten()}

  # Nobody is asked here, and what comes of it is answered as a value.
  defp collect([{key, value} | _rest], _argv)
       when key in [:discover, :json] and value not in [nil, false],
       do: {:error, Error.new(:usage, key, :of_the_task)}

  defp collect([{key, value} | rest], argv) do
    if key in Arguments.names(), do: collect(key, value, rest, argv), else: unknown(key)
  end

  defp collect(key, value, rest, argv) do
    flag = "--" <> String.replace(to_string(key), "_", "-")

    case flags(flag, value) do
      :error -> {:error, Error.new(:usage, key, {:bad_option, shown(key, value)})}
      flags -> collect(rest, [flags | argv])
    end
  end

  defp unknown(key) do
    near = ModuleFilter.near(to_string(key), Enum.map(Arguments.names(), &to_string/1))
    {:error, Error.new(:usage, key, {:unknown_key, Enum.take(near, 1)})}
  end

  defp flags(_flag, nil), do: []
  defp flags(flag, true), do: [flag]
  defp flags("--" <> name, false), do: ["--no-" <> name]

  defp flags(flag, value) when is_binary(value) or is_integer(value), do: [flag <> "=#{value}"]

  defp flags(flag, value) when is_atom(value) do
    # A module is written as in the code.
    [flag <> "=" <> (value |> to_string() |> String.replace_prefix("Elixir.", ""))]
  end

  defp flags(flag, [_ | _] = values) do
    flags = Enum.map(values, &if(is_list(&1), do: :error, else: flags(flag, &1)))
    if :error in flags, do: :error, else: flags
  end

  defp flags(_flag, []), do: []
  defp flags(_flag, _value), do: :error

  @doc """
  A device's id as text.

      iex> Hotpush.Config.Options.id(:porch)
      {:ok, "porch"}
      iex> {:error, error} = Hotpush.Config.Options.id({1})
      iex> Hotpush.Error.message(error)
      "device: takes text or an atom, got {1}."
  """
  @spec id(term()) :: {:ok, String.t()} | {:error, Error.t()}
  def id(text) when is_binary(text), do: {:ok, text}
  def id(atom) when is_atom(atom), do: {:ok, to_string(atom)}
  def id(other), do: {:error, Error.new(:usage, :device, {:bad_id, other})}

  defp shown(:cookie, _value), do: :hidden
  defp shown(_key, value), do: value
end
