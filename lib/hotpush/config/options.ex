defmodule Hotpush.Config.Options do
  @moduledoc """
  Reads the options of the functions in `Hotpush`: those of `mix upload.hotswap`, as a keyword list, by
  the table in `Hotpush.Config.Switches`.
  """

  alias Hotpush.Config.{Given, Switch}
  alias Hotpush.{Config, Error}
  alias Hotpush.Project.Workspace

  # A function asks nobody, and returns its result as a value.
  @of_the_task [:discover, :json]

  @doc """
  The config from the options, the environment, hotpush.toml and the project's config.

  With this config, nothing is printed unless the options contain `verbose: true`.
  """
  @spec config(keyword()) :: {:ok, Config.t()} | {:error, Error.t()}
  def config(options) do
    with :ok <- Workspace.check(), {:ok, given} <- parse(options) do
      Workspace.config(%{given | quiet: not given.verbose})
    end
  end

  @doc """
  Reads the options.

      iex> {:ok, given} = Hotpush.Config.Options.parse(node: [:"a@b", "c@d"], wait: true, timeout: 500)
      iex> {given.devices, given.wait, given.timeout}
      {[node: "a@b", node: "c@d"], 60, 500}
      iex> {:error, error} = Hotpush.Config.Options.parse(module: {1, 2})
      iex> Hotpush.Error.message(error)
      "module: takes a string, an atom, a number, true or false, or a list of them, got {1, 2}."
      iex> {:error, error} = Hotpush.Config.Options.parse(%{cookie: "sesame"})
      iex> Hotpush.Error.message(error) =~ "the options must be a keyword list"
      true
      iex> inspect(error) <> Hotpush.Error.message(error) =~ "sesame"
      false
      iex> {:error, error} = Hotpush.Config.Options.parse(discover: true)
      iex> Hotpush.Error.message(error)
      "discover: is an option of the mix task only. Name the device, as mix hotpush.devices lists it."
      iex> {:error, error} = Hotpush.Config.Options.parse(nodes: [:"a@b"])
      iex> Hotpush.Error.message(error)
      "there is no option nodes: here, see Hotpush's documentation. Did you mean node:?"
  """
  @spec parse(keyword()) :: {:ok, Given.t()} | {:error, Error.t()}
  def parse(options) do
    if Keyword.keyword?(options),
      do: read(options, Map.new(Switch.of(:functions), &{&1.name, &1}), []),
      else: {:error, Error.new(:usage, :options, :no_keywords)}
  end

  defp read([], _switches, done),
    do: {:ok, done |> Enum.reverse() |> List.flatten() |> Given.new()}

  defp read([{key, value} | rest], switches, done) do
    with {:ok, values} <- read_one(key, value, switches),
         do: read(rest, switches, [values | done])
  end

  defp read_one(key, value, _switches) when key in @of_the_task and value in [nil, false],
    do: {:ok, []}

  defp read_one(key, _value, _switches) when key in @of_the_task,
    do: {:error, Error.new(:usage, key, :of_the_task)}

  defp read_one(key, value, switches) do
    case switches do
      %{^key => switch} -> values(switch, value)
      _ -> {:error, Error.new(:usage, key, {:unknown_key, meant(key, switches)})}
    end
  end

  defp meant(key, switches),
    do: Switch.meant(to_string(key), Enum.map(Map.keys(switches), &to_string/1))

  defp values(switch, list) when is_list(list) do
    Enum.reduce_while(list, {:ok, []}, fn one, {:ok, done} ->
      case if(is_list(one), do: odd(switch, list), else: value(switch, one)) do
        {:ok, values} -> {:cont, {:ok, done ++ values}}
        error -> {:halt, error}
      end
    end)
  end

  defp values(switch, value), do: value(switch, value)

  defp value(_switch, nil), do: {:ok, []}
  # `true` is the default number, and `false` means not to wait.
  defp value(%Switch{type: {_, stock}} = switch, true), do: {:ok, [{switch.name, stock}]}
  defp value(%Switch{type: {_, _}}, false), do: {:ok, []}

  defp value(%Switch{type: type} = switch, flag)
       when is_boolean(flag) and type not in [:flag, :on],
       do: Switch.bad(switch, to_string(flag))

  defp value(switch, value) when is_binary(value) or is_atom(value) or is_integer(value) do
    # A module is named as in the code.
    text = value |> to_string() |> String.replace_prefix("Elixir.", "")
    with {:ok, value} <- Switch.cast(switch, text), do: {:ok, [{switch.name, value}]}
  end

  defp value(switch, value), do: odd(switch, value)

  defp odd(%Switch{name: :device}, value),
    do: {:error, Error.new(:usage, :device, {:bad_id, value})}

  defp odd(%Switch{name: :cookie}, _value),
    do: {:error, Error.new(:usage, :cookie, {:bad_option, :hidden})}

  defp odd(switch, value), do: {:error, Error.new(:usage, switch.name, {:bad_option, value})}

  @doc """
  A device's id as a string.

      iex> Hotpush.Config.Options.id(:porch)
      {:ok, "porch"}
      iex> {:error, error} = Hotpush.Config.Options.id({1})
      iex> Hotpush.Error.message(error)
      "device: takes a string or an atom, got {1}."
  """
  @spec id(term()) :: {:ok, String.t()} | {:error, Error.t()}
  def id(text) when is_binary(text), do: {:ok, text}
  def id(atom) when is_atom(atom), do: {:ok, to_string(atom)}
  def id(other), do: {:error, Error.new(:usage, :device, {:bad_id, other})}
end
