defmodule Hotpush.Config.Route do
  @moduledoc """
  A way to one device, as it was asked for. Pure.

    * `{:node, node}` - Erlang distribution
    * `{:ssh, %{user, host, port}}` - the system's `ssh`
    * `{:adb, serial, node}` - distribution through adb's tunnels; `serial` may be a prefix of one,
      `node` is `nil` where it is to be found out

  `:cookie` is the device's own, where it has one; `:cookie_error` says why that cannot be had.
  `:host_keys` are the only public keys that a host
  may have, as `TYPE BASE64`, where they were confirmed; else the developer's known hosts count.
  `:similar` are nicknames that its host's name resembles.
  """

  alias Hotpush.Error
  alias Hotpush.Config.Secret

  defstruct [:name, :nickname, :way, :cookie, :cookie_error, :host_keys, similar: []]

  @type ssh :: %{user: String.t() | nil, host: String.t(), port: :inet.port_number() | nil}
  @type way :: {:node, node()} | {:ssh, ssh()} | {:adb, String.t(), node() | nil}
  @type t :: %__MODULE__{
          name: String.t(),
          nickname: String.t() | nil,
          way: way(),
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          host_keys: [String.t(), ...] | nil,
          similar: [String.t()]
        }

  @doc """
  A node by its name.

      iex> {:ok, route} = Hotpush.Config.Route.node("example@nerves.local")
      iex> {route.name, route.way}
      {"example@nerves.local", {:node, :"example@nerves.local"}}
      iex> {:error, error} = Hotpush.Config.Route.node("porch")
      iex> error.reason
      :bad_node
  """
  @spec node(String.t() | atom()) :: {:ok, t()} | {:error, Error.t()}
  def node(name) do
    text = to_string(name)

    # An atom has at most 255 characters.
    with [_, host] <- Regex.run(~r/\A[0-9A-Za-z_\-]+@([^@\s\/]+)\z/, text),
         true <- String.length(text) <= 255,
         :ok <- portless(text, host) do
      {:ok, %__MODULE__{name: text, way: {:node, String.to_atom(text)}}}
    else
      {:error, reason} -> {:error, Error.new(:usage, text, reason)}
      _ -> {:error, Error.new(:usage, text, :bad_node)}
    end
  end

  # A colon is one of an IPv6 address, or of a port, which a node has none of in its name.
  defp portless(text, host) do
    cond do
      not String.contains?(host, ":") or ipv6?(host) -> :ok
      host =~ ~r/\A[^:]+:\d*\z/ -> {:error, {:node_port, Regex.replace(~r/:\d*\z/, text, "")}}
      true -> :error
    end
  end

  @doc """
  A host by `[user@]host[:port]`. What begins with `-` would be an option to `ssh`, and is refused.

      iex> {:ok, route} = Hotpush.Config.Route.ssh("root@nerves.local:2222")
      iex> {route.name, route.way}
      {"root@nerves.local:2222", {:ssh, %{user: "root", host: "nerves.local", port: 2222}}}
      iex> {:ok, route} = Hotpush.Config.Route.ssh("[fe80::1%eth0]:22")
      iex> route.way
      {:ssh, %{user: nil, host: "fe80::1%eth0", port: 22}}
      iex> {:ok, route} = Hotpush.Config.Route.ssh("fe80::1")
      iex> route.way
      {:ssh, %{user: nil, host: "fe80::1", port: nil}}
      iex> for text <- ["-oProxyCommand=reboot", "a:22:22", "2222"] do
      ...>   {:error, error} = Hotpush.Config.Route.ssh(text)
      ...>   error.reason
      ...> end
      [:bad_host, :bad_host, :bare_port]
  """
  @spec ssh(String.t() | atom()) :: {:ok, t()} | {:error, Error.t()}
  def ssh(address) do
    text = to_string(address)

    with {user, rest} <- user(text),
         {:ok, host, port} <- host_and_port(rest),
         true <- plain?(host) and (user == nil or plain?(user)),
         :ok <- sensible(host, text) do
      {:ok, %__MODULE__{name: text, way: {:ssh, %{user: user, host: host, port: port}}}}
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
  A device by its adb serial number, or the beginning of it.

      iex> {:ok, route} = Hotpush.Config.Route.adb("R5CT")
      iex> route.way
      {:adb, "R5CT", nil}
  """
  @spec adb(String.t(), node() | nil) :: {:ok, t()} | {:error, Error.t()}
  def adb(serial, node \\ nil) do
    if plain?(serial),
      do: {:ok, %__MODULE__{name: serial, way: {:adb, serial, node}}},
      else: {:error, Error.new(:usage, serial, :bad_serial)}
  end

  @doc "The same way, to a device that has a name of its own here."
  @spec nicknamed(t(), String.t()) :: t()
  def nicknamed(%__MODULE__{} = route, nickname), do: %{route | nickname: nickname}

  @doc "What the device is called in what people read."
  @spec title(t()) :: String.t()
  def title(%__MODULE__{} = route), do: route.nickname || route.name

  @doc """
  What is equal where two routes lead to one device in one way.

      iex> {:ok, bare} = Hotpush.Config.Route.adb("R5CT")
      iex> {:ok, named} = Hotpush.Config.Route.adb("R5CT", :"example@127.0.0.1")
      iex> Hotpush.Config.Route.address(bare) == Hotpush.Config.Route.address(named)
      true
  """
  @spec address(t()) :: term()
  def address(%__MODULE__{way: {:adb, serial, _node}}), do: {:adb, serial}
  def address(%__MODULE__{way: way}), do: way

  # A user's name may hold an @, a host's may not.
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

  # No option, no white space, nothing that a shell or a terminal would take for its own.
  defp plain?(text),
    do: text =~ ~r/\A[^\s\-\/'"`$;&|<>\\\(\)\x00-\x1F\x7F][^\s\/'"`$;&|<>\\\(\)\x00-\x1F\x7F]*\z/
end
