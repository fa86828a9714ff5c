defmodule Hotpush.Config.Address do
  @moduledoc "The addresses of devices: a node, a host for ssh, an adb serial number. Pure."

  alias Hotpush.Error

  @type ssh :: %{user: String.t() | nil, host: String.t(), port: :inet.port_number() | nil}

  @doc """
  A node by its name.

      iex> Hotpush.Config.Address.node("example@nerves.local")
      {:ok, :"example@nerves.local"}
      iex> {:error, error} = Hotpush.Config.Address.node("porch")
      iex> error.reason
      :bad_node
  """
  @spec node(String.t() | atom()) :: {:ok, node()} | {:error, Error.t()}
  def node(name) do
    text = to_string(name)

    # An atom has at most 255 characters.
    with [_, host] <- Regex.run(~r/\A[0-9A-Za-z_\-]+@([^@\s\/]+)\z/, text),
         true <- String.length(text) <= 255,
         :ok <- portless(text, host) do
      {:ok, String.to_atom(text)}
    else
      {:error, reason} -> {:error, Error.new(:usage, text, reason)}
      _ -> {:error, Error.new(:usage, text, :bad_node)}
    end
  end

  # A colon is part of an IPv6 address, or of a port, which the name of a node does not have.
  defp portless(text, host) do
    cond do
      not String.contains?(host, ":") or ipv6?(host) -> :ok
      host =~ ~r/\A[^:]+:\d*\z/ -> {:error, {:node_port, Regex.replace(~r/:\d*\z/, text, "")}}
      true -> :error
    end
  end

  @doc """
  A host by `[user@]host[:port]`. Text that begins with `-` would be an option of `ssh`, and is rejected.

      iex> Hotpush.Config.Address.ssh("root@nerves.local:2222")
      {:ok, %{user: "root", host: "nerves.local", port: 2222}}
      iex> Hotpush.Config.Address.ssh("[fe80::1%eth0]:22")
      {:ok, %{user: nil, host: "fe80::1%eth0", port: 22}}
      iex> Hotpush.Config.Address.ssh("fe80::1")
      {:ok, %{user: nil, host: "fe80::1", port: nil}}
      iex> for text <- ["-oProxyCommand=reboot", "a:22:22", "2222"] do
      ...>   {:error, error} = Hotpush.Config.Address.ssh(text)
      ...>   error.reason
      ...> end
      [:bad_host, :bad_host, :bare_port]
  """
  @spec ssh(String.t() | atom()) :: {:ok, ssh()} | {:error, Error.t()}
  def ssh(address) do
    text = to_string(address)

    with {user, rest} <- user(text),
         {:ok, host, port} <- host_and_port(rest),
         true <- plain?(host) and (user == nil or plain?(user)),
         :ok <- sensible(host, text) do
      {:ok, %{user: user, host: host, port: port}}
    else
      {:error, reason} -> {:error, Error.new(:usage, text, reason)}
      _ -> {:error, Error.new(:usage, text, :bad_host)}
    end
  end

  # RFC 1035, 2.3.4: names of at most 255 bytes on the wire, labels of at most 63.
  defp sensible(host, text) do
    cond do
      text =~ ~r/\A\d+\z/ -> {:error, :bare_port}
      ipv6?(host) -> :ok
      String.contains?(host, ":") -> :error
      byte_size(host) > 253 or host =~ ~r/[^.]{64}/ -> {:error, :long_host}
      true -> :ok
    end
  end

  # With or without a zone, as in fe80::1%eth0.
  defp ipv6?(host) do
    [address | _zone] = String.split(host, "%", parts: 2)
    match?({:ok, _}, :inet.parse_ipv6strict_address(String.to_charlist(address)))
  end

  @doc """
  Whether text may be an adb serial number, or the beginning of one.

      iex> Hotpush.Config.Address.serial("R5CT")
      :ok
  """
  @spec serial(String.t()) :: :ok | {:error, Error.t()}
  def serial(text),
    do: if(plain?(text), do: :ok, else: {:error, Error.new(:usage, text, :bad_serial)})

  # A user's name may contain an @, a host's may not.
  defp user(text) do
    case String.split(text, "@") do
      [rest] -> {nil, rest}
      parts -> {parts |> Enum.drop(-1) |> Enum.join("@"), List.last(parts)}
    end
  end

  defp host_and_port("[" <> rest) do
    case String.split(rest, "]", parts: 2) do
      [host, ""] -> {:ok, host, nil}
      [host, ":" <> port] -> with_port(host, port)
      _ -> :error
    end
  end

  defp host_and_port(text) do
    case String.split(text, ":") do
      [host] -> {:ok, host, nil}
      [host, port] -> with_port(host, port)
      # More than one colon: an IPv6 address.
      _ -> {:ok, text, nil}
    end
  end

  defp with_port(host, text) do
    case Integer.parse(text) do
      {port, ""} when port in 1..65_535 -> {:ok, host, port}
      {_port, ""} -> {:error, :bad_port}
      _ -> :error
    end
  end

  # No options, no white space, and nothing with a special meaning in a shell or a terminal.
  defp plain?(text),
    do: text =~ ~r/\A[^\s\-\/'"`$;&|<>\\\(\)\x00-\x1F\x7F][^\s\/'"`$;&|<>\\\(\)\x00-\x1F\x7F]*\z/
end
