defmodule Hotpush.Native do
  @moduledoc """
  The functions of the native library, as they are. Use `Hotpush.Scanner.Native` and
  `Hotpush.Config.Toml` instead.

  It is not an error if the library is missing or cannot be loaded: `loaded?/0` returns `false`. With
  `HOTPUSH_NATIVE=off` in the environment, it is not loaded.
  """

  @on_load :load

  # Must equal the library's number: a library that was built from other sources is refused.
  @interface 7

  @doc false
  @spec load() :: :ok
  def load do
    with false <- System.get_env("HOTPUSH_NATIVE") == "off",
         dir when is_list(dir) <- :code.priv_dir(:hotpush),
         library = :filename.join(dir, ~c"native/hotpush_nif") do
      :erlang.load_nif(library, @interface)
    end

    # Any other result would unload this module, and crash its callers.
    :ok
  end

  @doc "Whether the native library is loaded."
  @spec loaded?() :: boolean()
  def loaded? do
    times([]) == []
  rescue
    _nif_not_loaded in ErlangError -> false
  end

  @doc false
  @spec scan([binary()], [binary()], binary(), non_neg_integer()) ::
          {binary(), [tuple()], non_neg_integer(), non_neg_integer()}
  def scan(_dirs, _keep, _manifest, _overlay), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  @spec diff([tuple()], [tuple()]) :: {[{binary(), atom()}], [binary()], non_neg_integer()}
  def diff(_entries, _answers), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  @spec mdns_listen(term(), [binary()], [binary()], non_neg_integer()) :: :ok | :error
  def mdns_listen(_tag, _kinds, _hosts, _milliseconds), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  @spec pack([{binary(), binary()}], [binary()]) :: [tuple()]
  def pack(_files, _keep), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  @spec times([binary()]) :: [{binary(), integer()}]
  def times(_paths), do: :erlang.nif_error(:nif_not_loaded)

  @doc false
  @spec watch(integer(), [{folder :: binary(), below? :: boolean()}]) ::
          {:ok, reference()} | {:error, {:limit | :missing | :text, binary()}}
  def watch(_tag, _folders), do: :erlang.nif_error(:nif_not_loaded)

  @typedoc "A text of `hotpush.toml`, its line and its column."
  @type text :: {String.t(), pos_integer(), pos_integer()}
  @type cookie :: {:text | :variable | :file, text()}

  @doc false
  @spec settings(binary()) ::
          {:ok,
           {apps :: [text()], cookie() | nil,
            devices :: [
              {name :: text(), ssh :: text() | nil, node :: text() | nil, adb :: text() | nil,
               cookie() | nil}
            ], groups :: [{name :: text(), devices :: [text()]}]}}
          | {:error, {pos_integer(), pos_integer(), String.t(), meant :: String.t() | nil}}
  def settings(_bytes), do: :erlang.nif_error(:nif_not_loaded)
end
