defmodule Hotpush.Config.Toml.TemplateTest do
  @moduledoc "The file that `mix hotpush.init` writes. Without these tests, that file could fail to load."
  use ExUnit.Case, async: true

  alias Hotpush.Config.Toml
  alias Hotpush.Config.Toml.{Gitignore, Template}
  alias Hotpush.Test.Run

  doctest Template
  doctest Gitignore

  defp entry(name, ways, notice \\ nil),
    do: %{name: name, how: "mdns", own?: true, ways: ways, notice: notice}

  defp read(text) do
    dir = Run.dir("template_settings")
    File.write!(Path.join(dir, "hotpush.toml"), text)
    assert {:ok, settings} = Toml.read(dir)
    settings
  end

  describe "the file is read back" do
    @describetag skip: if(not Hotpush.Native.loaded?(), do: "no native library")

    test "with what was found" do
      text =
        Template.render(:example, [
          entry("nerves-1a2b.local", ssh: "nerves-1a2b.local", node: "example@nerves-1a2b.local"),
          entry("a@nerves-1a2b.fritz.box", node: "a@nerves-1a2b.fritz.box"),
          entry("R5CT", adb: "R5CT"),
          # One device, found twice.
          entry("again", ssh: "nerves-1a2b.local"),
          entry("gone.local", [ssh: "gone.local"], "adb says that it is offline: plug it in.")
        ])

      settings = read(text)

      assert for(device <- settings.devices, do: {device.nickname, elem(device.way, 0)}) ==
               [{"nerves-1a2b", :ssh}, {"nerves-1a2b-2", :node}, {"R5CT", :adb}]

      assert settings.groups == %{"all" => ["nerves-1a2b", "nerves-1a2b-2", "R5CT"]}
      assert settings.app_names == []
      assert text =~ "# app = \"example\"\n"
      assert text =~ "# or: node = \"example@nerves-1a2b.local\"\n"
      assert text =~ "# gone.local, found by mdns\n# adb says that it is offline: plug it in.\n"
      refute text =~ "again"
    end

    test "an unknown device is in a comment, and becomes a device when the # is removed" do
      stranger = %{entry("nerves-1a2b.local", ssh: "nerves-1a2b.local") | own?: false}
      text = Template.render(:example, [stranger])
      assert %{devices: [], groups: %{}} = read(text)
      assert text =~ "offered neither a cookie nor a key"
      taken = String.replace(text, ~r/^# (?=\[|ssh = |devices = |\]|  ")/m, "")

      assert %{devices: [%{nickname: "nerves-1a2b"}], groups: %{"all" => ["nerves-1a2b"]}} =
               read(taken)

      both = read(Template.render(:example, [stranger, entry("R5CT", adb: "R5CT")]))
      assert %{devices: [%{nickname: "R5CT"}], groups: %{"all" => ["R5CT"]}} = both
    end

    test "of several unknown devices, two and a group of them are taken out of the comment" do
      names = ~w(a.local b.local c.local)
      text = Template.render(:x, Enum.map(names, &%{entry(&1, ssh: &1) | own?: false}))
      chosen = ~r/^# (?=\[device\.[ac]\]|ssh = "[ac]\.|\[group|devices = |\]|  "[ac]")/m

      assert %{devices: [%{nickname: "a"}, %{nickname: "c"}], groups: %{"all" => ["a", "c"]}} =
               read(String.replace(text, chosen, ""))
    end

    test "with nothing found, and with every example taken out of its comment" do
      text = Template.render(nil, [])
      assert %{devices: [], groups: %{}, cookie: nil, app_names: []} = read(text)

      # Only one of the three cookies, since they exclude each other.
      uncommented =
        text
        |> String.replace(~r/^# (cookie|cookie_env) = .*\n/m, "")
        |> String.replace(~r/^# (?=\[|\w+ = )/m, "")

      settings = read(uncommented)
      assert ~w(kitchen porch phone) == for(device <- settings.devices, do: device.nickname)

      assert %{app_names: [:example], groups: %{"all" => [_, _, _]}, cookie: {:file, _, _}} =
               settings
    end

    test "whatever name an unknown device has" do
      names = [
        "a\"]\nnode = \"x@y",
        "\e[2J",
        "-oProxyCommand=x",
        "",
        "ü.local",
        "device",
        "a\\b",
        "x'y",
        "a b",
        String.duplicate("a", 300),
        "a@b\"c\\d",
        "x@\e[2J",
        "..",
        "_@_"
      ]

      entries =
        for name <- names, kind <- [:ssh, :node, :adb], do: entry(name, [{kind, name}], nil)

      text = Template.render(:example, entries ++ Enum.map(entries, &%{&1 | notice: &1.name}))
      refute text =~ "\e"
      settings = read(text)
      assert length(settings.devices) > 3
      nicknames = for device <- settings.devices, do: device.nickname
      assert Enum.uniq(nicknames) == nicknames
      assert settings.groups["all"] == nicknames

      # The address under each nickname is one that a device announced, unchanged.
      for device <- settings.devices, do: assert(device.address in names)
    end
  end
end
