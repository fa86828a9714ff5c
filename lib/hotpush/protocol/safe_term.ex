defmodule Hotpush.Protocol.SafeTerm do
  @moduledoc """
  Safely reads a term that somebody else wrote: numbers, binaries, atoms that already exist, tuples,
  lists and maps, up to a size, a count and a depth. Pure.

  The external term format is documented in the ERTS User's Guide, "External Term Format". Pids,
  references, ports and functions are not data, and are rejected.
  """

  @max_bytes 16 * 1024 * 1024
  @max_terms 1_000_000
  @max_depth 24

  # The atoms in answers of devices. Listed here, they exist before an answer comes: the modules that
  # use them may not be loaded yet.
  @words [:ready, :answer, :raised, :stopped, :done, :refused, :busy, :staged, :host_gone] ++
           [:failed, :error, :killed, :held, :microseconds, :none, :batch, :on_load] ++
           [:not_loaded, :removed, :not_loadable, :nif_loaded, :on_load_failure, :not_purged] ++
           [:sticky_directory, :badfile, :nofile, :duplicated, :on_load_not_allowed] ++
           [:features_not_allowed, :known, true, false, :undefined, :interactive, :embedded] ++
           [:otp, :erts, :elixir, :arch, :mode, :boot, :target, :firmware, :platform, :cut, :apps] ++
           [:pushed, :others, :files, :impls, :nifs, :old, :lived_by, :orphaned, :silent, :over] ++
           [:stays, :purged, :late, :unready, :on_load_timeout, :on_load_stuck] ++
           [:put_back, :no_file, :lost, :steps, :load, :remove] ++
           [:note, :noted, :last_push, :parts, :facts, :app] ++
           [:fingerprint, :changed]

  @type problem ::
          :too_large | :too_deep | :too_many | :damaged | {:not_data, byte()} | :unknown_atom

  @doc """
  Reads an external term.

      iex> Hotpush.Protocol.SafeTerm.decode(:erlang.term_to_binary({:ready, [1, "two", %{a: 3.0}]}))
      {:ok, {:ready, [1, "two", %{a: 3.0}]}}
      iex> Hotpush.Protocol.SafeTerm.decode(:erlang.term_to_binary(self()))
      {:error, {:not_data, 88}}
      iex> Hotpush.Protocol.SafeTerm.decode(<<131, 119, 8, "not_here">>)
      {:error, :unknown_atom}
  """
  @spec decode(binary()) :: {:ok, term()} | {:error, problem()}
  def decode(binary) do
    with {:ok, <<131, body::binary>> = plain} <- plain(binary),
         {:ok, ""} <- walk(body) do
      {:ok, :erlang.binary_to_term(plain, [:safe])}
    else
      {:ok, _rest} -> {:error, :damaged}
      {:error, problem} -> {:error, problem}
    end
  rescue
    # The form is right, so the cause can only be an atom that :safe does not create.
    ArgumentError -> {:error, :unknown_atom}
  end

  @doc "The atoms that answers may contain."
  @spec words() :: [atom()]
  def words, do: @words

  # A compressed term states its size. It is inflated only up to a limit.
  defp plain(<<131, 80, size::32, data::binary>>) when size < @max_bytes do
    case inflate(data, size) do
      {:ok, body} -> {:ok, <<131, body::binary>>}
      error -> error
    end
  end

  defp plain(<<131, 80, _::binary>>), do: {:error, :too_large}
  defp plain(<<131, _::binary>> = plain) when byte_size(plain) <= @max_bytes, do: {:ok, plain}
  defp plain(<<131, _::binary>>), do: {:error, :too_large}
  defp plain(_), do: {:error, :damaged}

  defp inflate(data, size) do
    z = :zlib.open()

    try do
      :ok = :zlib.inflateInit(z)
      inflate(z, :zlib.safeInflate(z, data), [], 0, size)
    rescue
      ErlangError -> {:error, :damaged}
    after
      :zlib.close(z)
    end
  end

  defp inflate(z, {kind, output}, parts, had, size) do
    had = had + IO.iodata_length(output)

    cond do
      had > size -> {:error, :too_large}
      kind == :continue -> inflate(z, :zlib.safeInflate(z, []), [parts | output], had, size)
      had == size -> {:ok, IO.iodata_to_binary([parts | output])}
      true -> {:error, :damaged}
    end
  end

  # `todo` is a stack of how many terms are still to come at each depth.
  defp walk(body), do: walk(body, [1], 1, @max_terms)

  defp walk(rest, [], _depth, _left), do: {:ok, rest}
  defp walk(rest, [0 | todo], depth, left), do: walk(rest, todo, depth - 1, left)
  defp walk(_rest, _todo, _depth, 0), do: {:error, :too_many}
  defp walk(_rest, _todo, depth, _left) when depth > @max_depth, do: {:error, :too_deep}

  defp walk(body, [count | todo], depth, left) do
    case one(body) do
      {:leaf, rest} -> walk(rest, [count - 1 | todo], depth, left - 1)
      # Each byte becomes an element of a list.
      {:bytes, n, _rest} when n >= left -> {:error, :too_many}
      {:bytes, n, rest} -> walk(rest, [count - 1 | todo], depth, left - n - 1)
      {:node, children, rest} -> walk(rest, [children, count - 1 | todo], depth + 1, left - 1)
      {:error, problem} -> {:error, problem}
    end
  end

  # Small and large integers, and a float.
  defp one(<<97, _, rest::binary>>), do: {:leaf, rest}
  defp one(<<98, _::32, rest::binary>>), do: {:leaf, rest}
  defp one(<<70, _::64, rest::binary>>), do: {:leaf, rest}
  defp one(<<110, n, _sign, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  # Atoms: UTF-8 by one or two bytes of length, Latin-1 of older nodes.
  defp one(<<119, n, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  defp one(<<118, n::16, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  defp one(<<100, n::16, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  defp one(<<115, n, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  # Binary, list of bytes, empty list.
  defp one(<<109, n::32, _::binary-size(n), rest::binary>>), do: {:leaf, rest}
  defp one(<<107, n::16, _::binary-size(n), rest::binary>>), do: {:bytes, n, rest}
  defp one(<<106, rest::binary>>), do: {:leaf, rest}
  # Tuples, a list with its tail, a map.
  defp one(<<104, n, rest::binary>>), do: {:node, n, rest}
  defp one(<<105, n::32, rest::binary>>), do: {:node, n, rest}
  defp one(<<108, n::32, rest::binary>>), do: {:node, n + 1, rest}
  defp one(<<116, n::32, rest::binary>>), do: {:node, 2 * n, rest}

  defp one(<<tag, _::binary>>) when tag in [97, 98, 70, 110, 119, 118, 100, 115, 109, 107],
    do: {:error, :damaged}

  defp one(<<tag, _::binary>>) when tag in [104, 105, 108, 116], do: {:error, :damaged}
  defp one(<<tag, _::binary>>), do: {:error, {:not_data, tag}}
  defp one(""), do: {:error, :damaged}
end
