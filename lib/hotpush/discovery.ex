defmodule Hotpush.Discovery do
  @moduledoc """
  Finds devices. Each way is a module with this behaviour; a project names its own in

      config :hotpush, discovery: [MyApp.Fleet]

  Nothing that only answered on a network is offered a cookie or a key here: who is *asked* is
  decided by `Hotpush.Discovery.Devices`.
  """

  alias Hotpush.Discovery.Found
  alias Hotpush.Error

  @doc """
  Looks for devices. Options: `:timeout`, the milliseconds to answer within (who takes longer is
  not waited for), and `:hosts`, the hosts that configuration names.
  """
  @callback discover(options :: keyword()) :: {:ok, [Found.t()]} | {:error, Error.t()}
end
