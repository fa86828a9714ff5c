defmodule Hotpush.Config.Target do
  @moduledoc """
  One device as it was asked for, and how it is reached. Pure.

  The command line, `hotpush.toml`, the Mix config and discovery name devices as targets.
  `Hotpush.Transport.Targets.list/2` prepares these for a run: it adds the transport, the cookie of
  devices without one of their own, and folders.
  """

  alias Hotpush.Error
  alias Hotpush.Config.{Address, Secret}

  defstruct [:name, :nickname, :address, :way, :node, :cookie, :cookie_error, :host_keys] ++
              [:transport, :state_dir, guides: "guides", similar: []]

  @typedoc """
    * `:name` - the name of the device for people: its nickname, or its address
    * `:address` - its node, host or serial number, as it was asked for
    * `:way` - the same, parsed: `{:node, node}` over distribution, `{:ssh, map}` with the system's
      `ssh`, `{:adb, serial, node}` through adb's tunnels, where `serial` may be a prefix, and `node`
      is `nil` if it is not known yet
    * `:node` - its node; `nil` if it is reached without distribution, or not known yet
    * `:cookie` - its own cookie, and in a run, the one that it is offered
    * `:cookie_error` - why the cookie that it needs is missing; the device is then not visited
    * `:host_keys` - the only public keys that its host may have, as `TYPE BASE64`, if they were
      confirmed; otherwise the developer's known hosts decide
    * `:similar` - what may have been meant instead of its host's name: the similar nicknames, as you type them
    * `:transport` - the module that reaches it; `nil` until a run
    * `:state_dir` - where a transport may keep small things; `nil` until a run
    * `:guides` - the path to Hotpush's guides from the project
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
  A device by its adb serial number, or by the beginning of it.

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

  @doc "The same device with a nickname."
  @spec nicknamed(t(), String.t() | nil) :: t()
  def nicknamed(%__MODULE__{} = target, nil), do: target

  def nicknamed(%__MODULE__{} = target, nickname),
    do: %{target | nickname: nickname, name: nickname}

  @doc """
  A value that is equal for two targets if they are the same device, reached in the same way.

      iex> {:ok, bare} = Hotpush.Config.Target.adb("R5CT")
      iex> {:ok, named} = Hotpush.Config.Target.adb("R5CT", :"example@127.0.0.1")
      iex> Hotpush.Config.Target.identity(bare) == Hotpush.Config.Target.identity(named)
      true
  """
  @spec identity(t()) :: term()
  def identity(%__MODULE__{way: {:adb, serial, _node}}), do: {:adb, serial}
  def identity(%__MODULE__{way: way}), do: way

  @doc """
  An error about a device, with the device's name and, beside it, the subject of the error.

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
