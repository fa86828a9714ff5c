defmodule Hotpush.Discovery.Choice do
  @moduledoc """
  The devices of `mix upload.hotswap --discover`: those that the configuration names, those that were
  confirmed before, and those that the developer confirms now, in a terminal.
  """

  alias Hotpush.{Config, Error, Text}
  alias Hotpush.Discovery.Devices
  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Trust}

  @doc """
  Searches, and adds the devices to `config`. `ask` asks the developer a yes-or-no question; it is
  `nil` if there is nobody to ask.

  Also returns the rows of the devices about which nobody was asked, or which could not be remembered,
  and the errors.
  """
  @spec make(Config.t(), Confirmed.t(), (String.t() -> boolean()) | nil) ::
          {Config.t(), [Row.t()], [Error.t()]}
  def make(%Config{} = config, %Confirmed{} = confirmed, ask) do
    {found, errors} = Devices.find(config)
    sorted = Devices.sort(found, config, confirmed, config.timeout)

    {chosen, left, _} = Enum.reduce(sorted.unknown, {[], [], confirmed}, &choose(&1, &2, ask))
    targets = for {one, way, keys} <- sorted.confirmed ++ chosen, do: Trust.target(one, way, keys)
    rows = Row.of(%{named: [], confirmed: [], unknown: left})
    {%{config | targets: config.targets ++ targets}, rows, errors}
  end

  defp choose({_found, nil, _error} = one, {chosen, left, confirmed}, _ask),
    do: {chosen, left ++ [one], confirmed}

  defp choose(one, {chosen, left, confirmed}, nil), do: {chosen, left ++ [one], confirmed}

  defp choose({found, way, error}, {chosen, left, confirmed}, ask) do
    keys = keys(way)

    with :ok <- key?(way, keys),
         true <- ask.(question(found, way, error, keys)),
         {:ok, confirmed} <- Confirmed.add(confirmed, way, fingerprints(keys)) do
      {chosen ++ [{found, way, Enum.map(keys, & &1.public)}], left, confirmed}
    else
      # A developer who has just said no does not need to read how to say yes.
      false -> {chosen, left, confirmed}
      {:error, problem} -> {chosen, left ++ [{found, way, problem}], confirmed}
    end
  end

  defp keys({:ssh, host}), do: HostKey.of(host)
  defp keys(_way), do: []

  defp fingerprints(keys), do: Enum.map(keys, & &1.fingerprint)

  defp key?({:ssh, host}, []), do: {:error, Error.new(:discover, host, :no_host_key)}
  defp key?(_way, _keys), do: :ok

  defp question(found, way, error, keys) do
    why = if error, do: Error.message(error) <> " ", else: ""
    Text.printable("#{why}Found #{found.name}#{at(found)}. #{offer(way, keys)}")
  end

  defp at(%Found{addresses: [address | _]}), do: " at #{address}"
  defp at(_found), do: ""

  defp offer({:ssh, host}, keys),
    do:
      "Push to it over ssh as #{host}, with the host key #{Enum.join(fingerprints(keys), " or ")}?"

  defp offer({:node, node}, _keys),
    do: "Push to its node #{node}? (Each side can then do anything to the other.)"

  defp offer({:adb, serial}, _keys), do: "Push to #{serial} over adb?"

  @doc "Whether there is a terminal, with somebody to ask."
  @spec terminal?() :: boolean()
  def terminal? do
    # Elixir's start script sets this if both outputs are a terminal. About the input, the VM alone can
    # only tell that it is a device other than /dev/null.
    IO.ANSI.enabled?() and
      case {File.stat("/dev/fd/0"), File.stat("/dev/null")} do
        {{:ok, %{type: :device, minor_device: input}}, {:ok, %{minor_device: null}}} ->
          input != null

        _ ->
          false
      end
  end
end
