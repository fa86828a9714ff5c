defmodule Hotpush.Config.Target do
  @moduledoc """
  One device as it was asked for, and how it is reached. Pure.

  Whoever names devices (the command line, `hotpush.toml`, the Mix config, discovery) makes targets of
  them; `Hotpush.Transport.Targets.list/2` makes these ready for a run, with what is the same for all
  of it: the transport, the cookie of devices that have none of their own, and folders.
  """

  alias Hotpush.Error
  alias Hotpush.Config.{Address, Secret}

  defstruct [:name, :nickname, :address, :way, :node, :cookie, :cookie_error, :host_keys] ++
              [:transport, :state_dir, guides: "guides", similar: []]

  @typedoc """
    * `:name` - what the device is called in what people read: its nickname, or its address
    * `:address` - its node, host or serial number, as it was asked for
    * `:way` - the same as it is used: `{:node, node}` over distribution, `{:ssh, map}` by the system's
      `ssh`, `{:adb, serial, node}` through adb's tunnels, where `serial` may be a prefix of one, and
      `node` is `nil` where it is to be found out
    * `:node` - its node; `nil` where it is reached without distribution, or not known yet
    * `:cookie` - its own, and in a run the one that it is offered
    * `:cookie_error` - why the cookie that it needs cannot be had: then it is not visited
    * `:host_keys` - the only public keys that its host may have, as `TYPE BASE64`, where they were
      confirmed; else the developer's known hosts count
    * `:similar` - nicknames that its host's name resembles
    * `:transport` - the module that reaches it; `nil` until a run
    * `:state_dir` - where a transport may keep small things; `nil` until a run
    * `:guides` - the folder of Hotpush's guides, as it is found from the project
  """
  @type t :: %__MODULE__{
          name: String.t(),
          nickname: String.t() | nil,
          address: String.t() | nil,
          way: way(),
          node: node() | nil,
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          host_keys: [String.t(), ...] | nil,
          transport: module() | nil,
          state_dir: Path.t() | nil,
          guides: Path.t(),
          similar: [String.t()]
        }

  @type way :: {:node, node()} | {:ssh, Address.ssh()} | {:adb, String.t(), node() | nil}

  @doc """
  A node by its name.

      iex> {:ok, target} = Hotpush.Config.Target.node("example@nerves.local")
      iex> {target.name, target.way, target.node}
      {"example@nerves.local", {:node, :"example@nerves.local"}, :"example@nerves.local"}
  """
  @spec node(String.t() | atom()) :: {:ok, t()} | {:error, Error.t()}
  def node(name) do
    with {:ok, node} <- Address.node(name), do: {:ok, new(name, {:node, node}, node)}
  end

  @doc """
  A host by `[user@]host[:port]`.

      iex> {:ok, target} = Hotpush.Config.Target.ssh("root@nerves.local:2222")
      iex> {target.name, target.way}
      {"root@nerves.local:2222", {:ssh, %{user: "root", host: "nerves.local", port: 2222}}}
  """
  @spec ssh(String.t() | atom()) :: {:ok, t()} | {:error, Error.t()}
  def ssh(address) do
    with {:ok, ssh} <- Address.ssh(address), do: {:ok, new(address, {:ssh, ssh}, nil)}
  end

  @doc """
  A device by its adb serial number, or the beginning of it.

      iex> {:ok, target} = Hotpush.Config.Target.adb("R5CT")
      iex> target.way
      {:adb, "R5CT", nil}
  """
  @spec adb(String.t(), node() | nil) :: {:ok, t()} | {:error, Error.t()}
  def adb(serial, node \\ nil) do
    with :ok <- Address.serial(serial), do: {:ok, new(serial, {:adb, serial, node}, node)}
  end

  defp new(address, way, node) do
    text = to_string(address)
    %__MODULE__{name: text, address: text, way: way, node: node}
  end

  @doc "The same device, by a name of its own here."
  @spec nicknamed(t(), String.t() | nil) :: t()
  def nicknamed(%__MODULE__{} = target, nil), do: target

  def nicknamed(%__MODULE__{} = target, nickname),
    do: %{target | nickname: nickname, name: nickname}

  @doc """
  What is equal where two targets are one device, reached in one way.

      iex> {:ok, bare} = Hotpush.Config.Target.adb("R5CT")
      iex> {:ok, named} = Hotpush.Config.Target.adb("R5CT", :"example@127.0.0.1")
      iex> Hotpush.Config.Target.identity(bare) == Hotpush.Config.Target.identity(named)
      true
  """
  @spec identity(t()) :: term()
  def identity(%__MODULE__{way: {:adb, serial, _node}}), do: {:adb, serial}
  def identity(%__MODULE__{way: way}), do: way

  @doc """
  An error of the way to a device, with the device's name, and beside it what it goes by there.

      iex> target = %Hotpush.Config.Target{name: "porch", address: "example@nerves.local"}
      iex> error = Hotpush.Error.new(:connect, :"example@nerves.local", :handshake_refused)
      iex> target |> Hotpush.Config.Target.named(error) |> Hotpush.Error.message() |> String.slice(0, 37)
      "porch (example@nerves.local) answers,"
  """
  @spec named(t() | nil, Error.t()) :: Error.t()
  def named(%__MODULE__{name: name} = target, %Error{stage: :connect} = error) do
    there = if to_string(error.subject) == name, do: target.address, else: error.subject
    called = if to_string(there) not in ["", name], do: "#{name} (#{there})"
    %{error | called: called, reason: meant(error.reason, target)}
  end

  def named(_target, error), do: error

  defp meant({:unresolved, ssh}, %{similar: [_ | _] = similar}) when is_map(ssh),
    do: {:unresolved, ssh, similar}

  defp meant({:tls, cause}, target), do: {:tls, cause, nil, target.guides}
  defp meant({:tls, cause, more}, target), do: {:tls, cause, more, target.guides}
  defp meant(reason, _target), do: reason
end
