defmodule Hotpush.Config.Toml.Template do
  @moduledoc """
  The `hotpush.toml` that `mix hotpush.init` writes. Pure.

  A device that only answered on a network is written as a comment: a device of this file is offered
  the cookie or a key, and only the developer can decide that.
  """

  alias Hotpush.Text
  alias Hotpush.Config.Target

  @typedoc """
  A device to write: its name, how it was found, whether it is known to be the developer's own, the
  ways to reach it, best first, and why it cannot be reached, if that is so.
  """
  @type entry :: %{
          name: String.t(),
          how: String.t(),
          own?: boolean(),
          ways: [{:ssh | :node | :adb, String.t()}],
          notice: String.t() | nil
        }

  @head """
  # The devices of one developer, for mix upload.hotswap. This file is not compiled into any
  # firmware, and .gitignore keeps it out of the repository.
  """

  @cookie """
  # The cookie of devices that are reached as nodes (ssh needs none): use one of these three. Only you
  # may be able to read the file that contains it. A path is relative to this file.
  # cookie_file = ".hotpush.cookie"
  # cookie_env = "DEVICE_COOKIE"
  # cookie = "secret token shared between nodes"
  """

  @example """
  # [device.kitchen]
  # ssh = "nerves.local"                  # [user@]host[:port]: any Nerves device, as it is
  # [device.porch]
  # node = "example@nerves-3c4d.local"    # a running node
  # [device.phone]
  # adb = "R5CT"                          # a serial number, or a unique beginning of it
  """

  @strangers """
  # The devices behind a # answered on the network, and may be anybody's. Remove the # from the lines
  # of your own devices; until then, they are offered neither a cookie nor a key.
  """

  @doc "The file's text, which `Hotpush.Config.Toml` reads back."
  @spec render(atom() | nil, [entry()]) :: String.t()
  def render(app, entries) do
    {devices, unreachable} = devices(entries)

    [
      @head,
      "\n",
      app(app),
      "\n",
      @cookie,
      "\n",
      "# Each device has a name, for --device NAME, and one of ssh, node and adb.\n",
      if(devices == [], do: @example, else: ""),
      if(Enum.all?(devices, &own?/1), do: "", else: @strangers),
      Enum.map(devices, &["\n", device(&1)]),
      Enum.map(unreachable, &["\n", found(&1), comment(&1.notice || "it cannot be reached.")]),
      "\n",
      "# Groups, for --group NAME. Without either option, a push goes to every device.\n",
      group(for({name, _, _} = device <- devices, own?(device), do: name), devices)
    ]
    |> IO.iodata_to_binary()
  end

  # As a comment, since a value here would override mix.exs and the Mix config.
  defp app(name) do
    "# The project's application, or a list of them, if not that of mix.exs or the Mix config.\n" <>
      "# app = #{string(to_string(name || "example"))}\n"
  end

  # {[{nickname, way, entry}], entries without a way that can be written}. A way is written once.
  defp devices(entries) do
    {devices, unreachable, _, _} =
      Enum.reduce(entries, {[], [], [], []}, fn entry, {devices, rest, names, addresses} ->
        case best(entry) do
          nil ->
            {devices, [entry | rest], names, addresses}

          {way, address} ->
            if address in addresses do
              {devices, rest, names, addresses}
            else
              name = nickname(entry.name, names)
              {[{name, way, entry} | devices], rest, [name | names], [address | addresses]}
            end
        end
      end)

    {Enum.reverse(devices), Enum.reverse(unreachable)}
  end

  # What an unknown device says about itself is written only if it can be read again.
  defp best(%{notice: nil, ways: ways}) do
    Enum.find_value(ways, fn {kind, text} = way ->
      with true <- text == Text.printable(text),
           {:ok, target} <- apply(Target, kind, [text]) do
        {way, Target.identity(target)}
      else
        _ -> nil
      end
    end)
  end

  defp best(_entry), do: nil

  defp device({name, {kind, text}, entry}) do
    mark = if entry.own?, do: "", else: "# "

    [
      found(entry),
      [mark, "[device.#{name}]\n"],
      [mark, "#{kind} = #{string(text)}\n"],
      other(kind, entry.ways)
    ]
  end

  defp own?({_name, _way, entry}), do: entry.own?

  defp found(entry), do: comment("#{entry.name}, found by #{entry.how}")

  defp other(chosen, ways) do
    for {kind, text} <- ways, kind != chosen, do: comment("or: #{kind} = #{string(text)}")
  end

  defp group([], []), do: "# [group.all]\n# devices = [\"kitchen\", \"porch\", \"phone\"]\n"

  # One line each, since a group may name only devices without a #.
  defp group([], devices) do
    [
      "# Remove the # from the devices that you use above, and from the lines around them.\n",
      "# [group.all]\n# devices = [\n",
      for({name, _, _} <- devices, do: "#   #{string(name)},\n"),
      "# ]\n"
    ]
  end

  defp group(names, _devices), do: "[group.all]\ndevices = #{list(names)}\n"

  defp list(names), do: "[#{Enum.map_join(names, ", ", &string/1)}]"

  @doc """
  A nickname for a device that is not among those `taken`, made of characters that need no quotes.

      iex> Hotpush.Config.Toml.Template.nickname("nerves-1a2b.local", [])
      "nerves-1a2b"
      iex> Hotpush.Config.Toml.Template.nickname("example@nerves.local", ["nerves"])
      "nerves-2"
      iex> Hotpush.Config.Toml.Template.nickname("example@127.0.0.1", [])
      "example"
  """
  @spec nickname(String.t(), [String.t()]) :: String.t()
  def nickname(name, taken) do
    base = name |> base() |> String.slice(0, 56)

    [base | Enum.map(2..(length(taken) + 2), &"#{base}-#{&1}")]
    |> Enum.find(&(&1 not in taken))
  end

  defp base(name) do
    candidates =
      case String.split(name, "@", parts: 2) do
        [node, host] -> [host(host), node, host]
        [host] -> [host(host), host]
      end

    Enum.find_value(candidates, "device", fn text ->
      plain = Regex.replace(~r/[^0-9A-Za-z_-]+/, text, "-")
      plain = Regex.replace(~r/\A[-_]+|[-_]+\z/, plain, "")
      if plain != "", do: plain
    end)
  end

  # The first part of a host name. An address has none.
  defp host(host) do
    if host =~ ~r/\A[0-9.]+\z|:/, do: "", else: host |> String.split(".") |> hd()
  end

  defp comment(text), do: ["# ", Text.printable(text), "\n"]

  defp string(text) do
    escaped = for <<char::utf8 <- text>>, into: "", do: escape(char)
    ~s("#{escaped}")
  end

  defp escape(?"), do: ~S(\")
  defp escape(?\\), do: ~S(\\)

  defp escape(char) when char < 32 or char == 127,
    do: "\\u" <> String.pad_leading(Integer.to_string(char, 16), 4, "0")

  defp escape(char), do: <<char::utf8>>
end
