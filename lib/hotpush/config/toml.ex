defmodule Hotpush.Config.Toml do
  @moduledoc """
  `hotpush.toml`: the devices of one developer, which are not compiled into firmware.

      app = "example"
      cookie_env = "EXAMPLE_COOKIE"

      [device.kitchen]
      ssh = "nerves-1a2b.local"
      [group.all]
      devices = ["kitchen"]

  The native library reads it. Cookies are looked up only if they are needed, so a variable that is not
  set is an error only if no other cookie is used.

    * `:path` - the path of the file; `:shown` - the same in messages
    * `:app_names` - the project's applications, or empty to leave them to Mix; `:app_places` - the
      place of each in the file, for messages
    * `:cookie` - the cookie of devices without one of their own in `:cookies`, by nickname
    * `:devices` - in the order of the file, each with a nickname
    * `:groups` - nicknames by group
  """

  import Bitwise

  alias Hotpush.{Error, Native}
  alias Hotpush.Config.{Secret, Target}
  alias Hotpush.Config.Toml.{Cookie, Document}

  defstruct [:path, :shown, :cookie, app_names: [], app_places: %{}] ++
              [cookies: %{}, devices: [], groups: %{}]

  @type t :: %__MODULE__{
          path: Path.t(),
          shown: String.t(),
          app_names: [atom()],
          app_places: %{atom() => String.t()},
          cookie: Cookie.t() | nil,
          cookies: %{String.t() => Cookie.t()},
          devices: [Target.t()],
          groups: %{String.t() => [String.t()]}
        }

  @file_name "hotpush.toml"
  # One byte more than the native library accepts, so that it reports the error.
  @most 64 * 1024 + 1
  @of_others 0o077

  @doc "The file's name."
  @spec file_name() :: String.t()
  def file_name, do: @file_name

  @doc "Whether the native library, which reads it, is loaded."
  @spec readable?() :: boolean()
  def readable?, do: Native.loaded?()

  @doc """
  Reads the `hotpush.toml` of a folder; `nil` if there is none.

  Returns an error if the file cannot be read, if it has a mistake, if it contains a cookie and others may
  read it, or if the native library is not loaded (`:settings_unread`).
  """
  @spec read(Path.t(), boolean()) :: {:ok, t() | nil} | {:error, Error.t()}
  def read(dir, native? \\ Native.loaded?()) do
    path = Path.join(dir, @file_name)
    shown = Path.relative_to_cwd(path)

    # The mode of the open file, so that it belongs to the content.
    case File.open(path, [:read, :binary], &{:file.read_file_info(&1), IO.binread(&1, @most)}) do
      {:error, :enoent} -> none(path, shown)
      {:error, reason} -> unreadable(shown, reason)
      {:ok, {{:error, reason}, _}} -> unreadable(shown, reason)
      {:ok, {_, {:error, reason}}} -> unreadable(shown, reason)
      {:ok, _} when not native? -> {:error, Error.new(:usage, shown, :settings_unread)}
      {:ok, {{:ok, info}, bytes}} -> path |> parse(shown, bytes) |> private(info)
    end
  end

  @doc "The environment variables that it names for cookies."
  @spec cookie_variables(t()) :: [String.t()]
  def cookie_variables(settings) do
    cookies = [settings.cookie | Map.values(settings.cookies)]
    for {:variable, name, _place} <- cookies, uniq: true, do: Secret.unwrap(name)
  end

  @doc "The same as `read/2`, for the first folder that has one."
  @spec find([Path.t()], boolean()) :: {:ok, t() | nil} | {:error, Error.t()}
  def find(dirs, native? \\ Native.loaded?()) do
    Enum.reduce_while(dirs, {:ok, nil}, fn dir, none ->
      case read(dir, native?) do
        {:ok, nil} -> {:cont, none}
        found -> {:halt, found}
      end
    end)
  end

  # A broken link was meant to be one.
  defp none(path, shown) do
    case File.lstat(path) do
      {:ok, _link} -> unreadable(shown, :enoent)
      {:error, _} -> {:ok, nil}
    end
  end

  # Reading an empty file returns no bytes.
  defp parse(path, shown, :eof), do: parse(path, shown, "")

  defp parse(path, shown, bytes) do
    case Native.settings(bytes) do
      {:ok, terms} ->
        Document.settings(%__MODULE__{path: path, shown: shown}, terms)

      {:error, {line, column, message, meant}} ->
        {:error, Document.error(shown, {line, column}, {:settings_mistake, message, meant})}
    end
  end

  # Even if another cookie is used in the end, others can read the one in the file.
  defp private({:ok, settings}, info) do
    mode = File.Stat.from_record(info).mode &&& 0o777
    written = for {:text, _, place} <- [settings.cookie | Map.values(settings.cookies)], do: place

    if written != [] and (mode &&& @of_others) != 0,
      do: open_to_others(settings, Enum.min(written), mode),
      else: {:ok, settings}
  end

  defp private(error, _info), do: error

  defp open_to_others(settings, place, mode) do
    reason = {:settings_open, settings.path, mode}
    {:error, Document.error(settings.shown, place, reason)}
  end

  defp unreadable(shown, reason),
    do: {:error, Error.new(:usage, shown, {:settings_unreadable, reason})}
end
