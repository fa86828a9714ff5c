defmodule Hotpush.Config.Target do
  @moduledoc "One device as it was asked for, and how it is reached."

  alias Hotpush.Error
  alias Hotpush.Config.{Route, Secret}

  defstruct [
    :name,
    :address,
    :transport,
    :way,
    :node,
    :cookie,
    :cookie_error,
    :host_keys,
    :state_dir,
    guides: "guides",
    similar: []
  ]

  @typedoc """
    * `:name` - what the device is called in what people read
    * `:address` - what it was asked for by, where that is not its name; `:similar` - nicknames that
      this resembles
    * `:node` - its node, `nil` where it is reached without distribution
    * `:cookie_error` - why the cookie that it needs cannot be had: then it is not visited
    * `:host_keys` - the only public keys that its host may have, where they were confirmed
    * `:state_dir` - where a transport may keep small things
    * `:guides` - the folder of Hotpush's guides, as it is found from the project
  """
  @type t :: %__MODULE__{
          name: String.t(),
          address: String.t() | nil,
          similar: [String.t()],
          transport: module(),
          way: Route.way(),
          node: node() | nil,
          cookie: Secret.t() | nil,
          cookie_error: Error.t() | nil,
          host_keys: [String.t(), ...] | nil,
          state_dir: Path.t(),
          guides: Path.t()
        }

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
