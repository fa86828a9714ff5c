defmodule Hotpush.Config.Toml.Cookie do
  @moduledoc "Reads a cookie from the place that `hotpush.toml` names."

  import Bitwise

  alias Hotpush.Error
  alias Hotpush.Config.{Secret, Toml}
  alias Hotpush.Config.Toml.Document

  @typedoc "The cookie itself, a variable's name or a file's path, and its place in the file."
  @type t :: {:text | :variable | :file, Secret.text(), {pos_integer(), pos_integer()}}

  # A cookie has at most 255 characters of two bytes each, and the end of the line.
  @most 1024

  @doc """
  The cookie. `env` is the environment; a file's path is relative to `hotpush.toml`.

  Returns an error if a variable is not set, if a file does not exist or others may read it, or if the
  value is not a valid cookie.
  """
  @spec resolve(t(), Toml.t(), %{String.t() => String.t()}) ::
          {:ok, Secret.t()} | {:error, Error.t()}
  def resolve({kind, value, place}, settings, env) do
    with {:ok, text} <- found(kind, value.(), settings, env),
         {:ok, cookie} <- check(text) do
      {:ok, cookie}
    else
      {:error, expected} when is_binary(expected) ->
        error(settings, place, {:bad_cookie, key(kind), expected})

      {:error, reason} ->
        error(settings, place, reason)
    end
  end

  defp error(settings, place, reason),
    do: {:error, Document.error(settings.shown, place, reason)}

  defp key(:text), do: "cookie"
  defp key(:variable), do: "cookie_env"
  defp key(:file), do: "cookie_file"

  defp found(:text, cookie, _settings, _env), do: {:ok, cookie}

  defp found(:variable, name, _settings, env) do
    case env[name] do
      none when none in [nil, ""] -> {:error, {:cookie_not_set, name}}
      cookie -> {:ok, cookie}
    end
  end

  defp found(:file, name, settings, _env) do
    path = Path.expand(name, Path.dirname(settings.path))

    # The mode of the open file, so that it belongs to the content.
    case File.open(path, [:read, :binary], &{:file.read_file_info(&1), IO.binread(&1, @most)}) do
      {:error, reason} -> {:error, {:cookie_unreadable, path, reason}}
      {:ok, {{:error, reason}, _bytes}} -> {:error, {:cookie_unreadable, path, reason}}
      {:ok, {_info, {:error, reason}}} -> {:error, {:cookie_unreadable, path, reason}}
      {:ok, {{:ok, info}, bytes}} -> private(path, mode(info), bytes)
    end
  end

  defp mode(info), do: File.Stat.from_record(info).mode

  defp private(path, mode, _bytes) when (mode &&& 0o077) != 0,
    do: {:error, {:cookie_file_open, path, mode &&& 0o777}}

  defp private(path, _mode, :eof), do: {:error, {:cookie_file_empty, path}}

  defp private(path, _mode, bytes) do
    case String.trim_trailing(bytes, "\n") |> String.trim_trailing("\r") do
      "" -> {:error, {:cookie_file_empty, path}}
      cookie -> {:ok, cookie}
    end
  end

  @doc "A cookie in the form that the handshake uses, hidden; or what it should be."
  @spec check(term()) :: {:ok, Secret.t() | nil} | {:error, String.t()}
  def check(none) when none in [nil, ""], do: {:ok, nil}
  def check(atom) when is_atom(atom), do: atom |> to_string() |> check()

  # The handshake hashes its bytes, and the VM logs a cookie that it cannot hash.
  def check(text) when is_binary(text) do
    cond do
      not latin1?(text) -> {:error, "made of Latin-1 characters"}
      String.length(text) > 255 -> {:error, "at most 255 characters long"}
      true -> {:ok, Secret.wrap(String.to_atom(text))}
    end
  end

  def check(_other), do: {:error, "an atom or a string"}

  defp latin1?(text),
    do: String.valid?(text) and Enum.all?(String.to_charlist(text), &(&1 <= 255))
end
