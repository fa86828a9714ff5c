defmodule Hotpush.Discovery.Choice do
  @moduledoc """
  The devices of `mix upload.hotswap --discover`: those that configuration names, those that were
  confirmed before, and those that the developer confirms now, at a terminal.
  """

  alias Hotpush.{Config, Error, Text}
  alias Hotpush.Discovery.Devices
  alias Hotpush.Discovery.Devices.Row
  alias Hotpush.Discovery.{Confirmed, Found, HostKey, Trust}

  @doc """
  Searches, and adds to the targets of `config`. `ask` puts a question with yes or no; `nil` where
  there is nobody to ask.

  Beside it: the rows of what was found and nobody was asked about, or could not be remembered,
  and what went wrong.
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
      # Who has just said no need not be told how to say yes.
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
      "Push to it by ssh as #{host}, whose host key is #{Enum.join(fingerprints(keys), " or ")}?"

  defp offer({:node, node}, _keys),
    do: "Push to its node #{node}, where each side can then do anything to the other?"

  defp offer({:adb, serial}, _keys), do: "Push to #{serial} by adb?"

  @doc "Whether somebody sits at a terminal and can be asked."
  @spec terminal?() :: boolean()
  def terminal? do
    # Set by Elixir's start script where both outputs are a terminal; of the input, only that it
    # is a device other than /dev/null can be known without help.
    IO.ANSI.enabled?() and
      case {File.stat("/dev/fd/0"), File.stat("/dev/null")} do
        {{:ok, %{type: :device, minor_device: input}}, {:ok, %{minor_device: null}}} ->
          input != null

        _ ->
          false
      end
  end
end
