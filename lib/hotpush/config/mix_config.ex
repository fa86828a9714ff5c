defmodule Hotpush.Config.MixConfig do
  @moduledoc """
  The settings in `config :hotpush`, or, if there are none, those of the older task
  (`config :mix_tasks_upload_hotswap`). Pure.

  The cookie is unchanged, and is never inspected.
  """

  alias Hotpush.Config.{Secret, Switch}
  alias Hotpush.Error

  defstruct [:cookie, app_names: [], discovery: [], devices: [], note?: true]

  @typedoc "`:devices` are nodes and hosts, as they were written."
  @type t :: %__MODULE__{
          app_names: [atom()],
          discovery: [module()],
          devices: [{:node, String.t()} | {:ssh, atom()}],
          cookie: (() -> term()) | nil,
          note?: boolean()
        }

  @keys [:app_name, :nodes, :ssh, :cookie, :discovery, :note]

  @doc "Reads the application environments of `:hotpush` and `:mix_tasks_upload_hotswap`."
  @spec read(%{atom() => keyword()}) :: {:ok, t()} | {:error, Error.t()}
  def read(app_envs) do
    with {:ok, base} <- base(app_envs),
         {:ok, nodes} <- atoms(base[:nodes], :nodes),
         {:ok, ssh} <- atoms(base[:ssh], :ssh),
         {:ok, app_names} <- atoms(base[:app_name], :app_name),
         {:ok, discovery} <- atoms(base[:discovery], :discovery),
         {:ok, note?} <- note(Keyword.get(base, :note, true)) do
      {:ok,
       %__MODULE__{
         app_names: app_names,
         discovery: discovery,
         note?: note?,
         devices: Enum.map(nodes, &{:node, to_string(&1)}) ++ Enum.map(ssh, &{:ssh, &1}),
         cookie: base[:cookie] && Secret.wrap(base[:cookie])
       }}
    end
  end

  defp base(%{hotpush: [_ | _] = own}) do
    case Keyword.keys(own) -- @keys do
      [] ->
        {:ok, own}

      [key | _] ->
        meant = Switch.meant(to_string(key), Enum.map(@keys, &to_string/1))
        {:error, Error.new(:usage, key, {:unknown_config, meant, @keys})}
    end
  end

  # Unknown keys of the older task are ignored.
  defp base(app_envs), do: {:ok, Map.get(app_envs, :mix_tasks_upload_hotswap, [])}

  defp note(note?) when is_boolean(note?), do: {:ok, note?}
  defp note(_other), do: bad(:note)

  defp atoms(nil, _key), do: {:ok, []}
  defp atoms(atom, _key) when is_atom(atom), do: {:ok, [atom]}
  defp atoms(text, key) when is_binary(text), do: atoms([text], key)

  defp atoms(list, key) when is_list(list) do
    if Enum.all?(list, &((is_atom(&1) and &1 != nil) or short_text?(&1))),
      do: {:ok, Enum.map(list, &to_atom/1)},
      else: bad(key)
  end

  defp atoms(_other, key), do: bad(key)

  @expected %{
    nodes: "a list of node names",
    ssh: "a list of [user@]host[:port]",
    app_name: "the name of an application",
    discovery: "a list of modules",
    note: "true or false"
  }

  defp bad(key), do: {:error, Error.new(:usage, key, {:bad_config, @expected[key]})}

  defp to_atom(atom) when is_atom(atom), do: atom
  defp to_atom(text) when is_binary(text), do: String.to_atom(text)

  # An atom has at most 255 characters.
  defp short_text?(text), do: is_binary(text) and String.length(text) <= 255
end
