defmodule Hotpush.SettingsTest do
  @moduledoc """
  Reading `hotpush.toml`. Without these tests, a mistake there could be ignored, or shown without its
  line.
  """
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error, Report, Text}
  alias Hotpush.Config.{Arguments, Secret, Toml}
  alias Hotpush.Config.Toml.Selection
  alias Hotpush.Test.Run

  # Only the native library reads it.
  @moduletag skip: if(not Hotpush.Native.loaded?(), do: "no native library")

  @whole """
  app = ["example", "other"]
  cookie = "for-all"

  [device.porch]
  node = "example@nerves-3c4d.local"
  cookie = "its-own"
  [device.kitchen]
  ssh = "me@nerves-1a2b.local:2222"
  [device.phone]
  adb = "R5CT"
  node = "example@127.0.0.1"
  [device.attic]
  adb = "XY"

  [group.near]
  devices = ["kitchen", "porch", "kitchen"]
  """

  setup do
    {:ok, dir: Run.dir("settings")}
  end

  defp write(dir, text) do
    path = Path.join(dir, "hotpush.toml")
    File.write!(path, text)
    File.chmod!(path, 0o600)
  end

  defp read(dir, text) do
    write(dir, text)
    Toml.read(dir)
  end

  defp told(dir, text) do
    message(read(dir, text))
  end

  # What mix upload.hotswap makes of it.
  defp config(dir, argv, env \\ %{}, own \\ []) do
    with {:ok, given} <- Arguments.parse("upload.hotswap", argv),
         {:ok, config} <- Config.build(given, env, %{hotpush: own}, :host, [dir]),
         do: if(config.discover?, do: {:ok, config}, else: Config.to_push(config))
  end

  defp names(dir, argv, own \\ []) do
    assert {:ok, config} = config(dir, argv, %{}, own)
    Enum.map(config.targets, &(&1.nickname || &1.name))
  end

  # A mistake of whoever asked: status 2.
  defp message({:error, %Error{stage: :usage} = error}) do
    assert Report.exit_status(error) == 2
    Error.message(error)
  end

  test "a folder without the file", %{dir: dir} do
    assert Toml.read(dir) == {:ok, nil}
    assert Toml.read(dir, false) == {:ok, nil}
  end

  test "everything that the file can have", %{dir: dir} do
    assert {:ok, settings} = read(dir, @whole)
    assert settings.app_names == [:example, :other]
    assert settings.path == Path.join(dir, "hotpush.toml")

    assert for(device <- settings.devices, do: {device.nickname, device.way}) == [
             {"porch", {:node, :"example@nerves-3c4d.local"}},
             {"kitchen", {:ssh, %{user: "me", host: "nerves-1a2b.local", port: 2222}}},
             {"phone", {:adb, "R5CT", :"example@127.0.0.1"}},
             {"attic", {:adb, "XY", nil}}
           ]

    assert settings.groups == %{"near" => ["kitchen", "porch", "kitchen"]}
    refute inspect(settings) =~ ~r/for-all|its-own/
    assert {:ok, %{devices: [], groups: %{}, cookie: nil}} = read(dir, "")
  end

  test "the message for a mistake has its line, its column and a suggestion", %{dir: dir} do
    assert told(dir, "app = 'a'\ncookei = 'sesame'") =~
             ~r/hotpush.toml:2:1: unknown key "cookei" .*\. Did you mean cookie\?\z/

    assert told(dir, "app = \"desk") =~ ~r/hotpush.toml:1:\d+: /
    escape = told(dir, "[device.\"\\u001b[2J\"]\nssh = 'a'")
    assert Text.printable(escape) =~ ~r/hotpush.toml:1:9: a device's name/
    refute escape =~ "\e"

    assert told(dir, "[device.a]\nssh = nerves.local") =~
             "hotpush.toml:2:7: text must be in quotes."

    assert told(dir, "app = ") =~ "hotpush.toml:1:7: "
    assert told(dir, "app = 4") =~ ~r/:1:7: "app" should be a string .*got an integer\.\z/
    assert told(dir, "[group.a]\ndevices = ['a']\napp = 4") =~ ~r/:3:1: unknown key "app"/

    assert told(dir, "[devices.kitchen]\nssh = 'x'") =~
             ~r/:1:2: unknown key "devices" .* Did you mean device\?\z/

    assert told(dir, "[device.a]\nssh = \"a\\u001b[2Jb\"") =~ ~r/:2:7: "ssh" has a control/
    assert told(dir, "[device.a]\nnode = 'porch'") =~ ~r/:2:8: porch is not a node name/
    assert told(dir, "[device.a]\nssh = '-oProxyCommand=x'") =~ ~r/:2:7: -oProxy.* is not a host/
    assert told(dir, "[device.a]\nadb = 'a b'") =~ ~r/:2:7: "a b" is not the serial number/
    assert told(dir, "[device.a]\nadb = 'a'\nnode = 'x'") =~ ~r/:3:8: x is not a node name/
    assert told(dir, "[group.a]\ndevices = []") =~ ~r/:1:8: this group is empty/

    assert told(dir, "[device.kitchen]\nssh = 'x'\n[group.a]\ndevices = ['kitchn']") =~
             ~r/:4:12: this file has no \[device.kitchn\]. Did you mean kitchen\?/

    assert told(dir, String.duplicate("# and so on\n", 6_000)) =~ "larger than 64 KiB"
    assert told(dir, "# \xFF") =~ ":1:3: this is not UTF-8."
  end

  test "the message for an unknown application has its place", %{dir: dir} do
    write(dir, "app = 'hotpsuh'\n[device.a]\nnode = 'a@b'")
    assert {:ok, config} = config(dir, ["--no-compile"])

    assert message(Hotpush.Project.load(config)) =~
             ~r/:1:7: no application of this project is named hotpsuh. Did you mean hotpush\?/

    write(dir, "\napp = 'nope'\n[device.a]\nnode = 'a@b'")
    assert {:ok, config} = config(dir, ["--no-compile"])

    assert message(Hotpush.Project.load(config)) =~
             ~r/hotpush.toml:2:7: no application of this project is named nope\./

    assert {:error, error} = Hotpush.Project.load(%{config | app_places: %{}})
    refute message({:error, error}) =~ "hotpush.toml"
    assert IO.iodata_to_binary(Report.Document.of_error(error)) =~ ~S("kind":"no_such_app")
  end

  test "two nicknames for one device", %{dir: dir} do
    for way <- ["ssh = 'me@x:22'", "node = 'a@b'", "adb = 'R5'"] do
      assert told(dir, "[device.a]\n#{way}\n[device.b]\nssh='y'\n[device.c]\n#{way}") =~
               ~r/hotpush.toml:5:9: c and a are the same device: both have the address /
    end
  end

  test "a file that cannot be read", %{dir: dir} do
    File.ln_s!("nowhere", Path.join(dir, "hotpush.toml"))
    assert message(Toml.read(dir)) =~ "hotpush.toml cannot be read: no such file"
    File.rm!(Path.join(dir, "hotpush.toml"))
    File.mkdir_p!(Path.join(dir, "hotpush.toml"))
    assert message(Toml.read(dir)) =~ "hotpush.toml is a directory, but it should be"
  end

  test "without the native library, the file is an error that says what to do", %{dir: dir} do
    write(dir, @whole)
    message = message(Toml.read(dir, false))
    assert message =~ ~r/hotpush.toml was not read, .*HOTPUSH_NATIVE.*rustup.rs.*--force/

    # Names that only the file has cannot be looked up; all others can.
    {:error, unread} = Toml.read(dir, false)
    assert message(Config.to_push(%Config{unread: unread})) == message

    for asked <- [node: "porch", group: "near", device: "porch"] do
      message = message(Selection.targets([asked], unread, node: "a@b"))
      assert message =~ ~r/hotpush.toml, Hotpush needs its native library.*HOTPUSH_NATIVE/
      assert message =~ "rustup.rs) and run mix deps.compile hotpush --force."
    end

    for asked <- [[node: "a@b"], [ssh: "c"], [host: "c"], [device: "a@b"], []],
        do: assert({:ok, [_]} = Selection.targets(asked, unread, node: "a@b"))
  end

  test "the nearest of several files counts", %{dir: dir} do
    near = Path.join(dir, "near")
    File.mkdir_p!(near)
    write(dir, "app = 'far'")
    assert {:ok, %{app_names: [:far]}} = Toml.find([near, dir])
    write(near, "app = 'near'")
    assert {:ok, %{app_names: [:near]}} = Toml.find([near, dir])
    assert Toml.find([]) == {:ok, nil}
  end

  describe "selects devices" do
    setup %{dir: dir}, do: write(dir, @whole)

    test "without an option: all of the file, in its order", %{dir: dir} do
      assert names(dir, []) == ~w(porch kitchen phone attic)
      # They replace the Mix config's.
      assert names(dir, [], nodes: [:a@b]) == ~w(porch kitchen phone attic)
      write(dir, "app = 'example'")
      assert names(dir, [], nodes: [:a@b], ssh: ["c"]) == ~w(a@b c)
      assert message(config(dir, [])) =~ ~r/hotpush.toml names no device yet. Remove the #/
    end

    test "by nickname, group, node and host, each once, in the order asked", %{dir: dir} do
      assert names(dir, ["--node", "porch"]) == ["porch"]
      assert names(dir, ["--group", "near"]) == ~w(kitchen porch)

      assert names(dir, ["--node", "attic", "--group", "near", "--group", "near"]) ==
               ~w(attic kitchen porch)

      assert names(dir, ["--node", "example@nerves-3c4d.local", "--node", "porch"]) == ["porch"]
      assert names(dir, ["--node", "example@127.0.0.1"]) == ["phone"]
      assert names(dir, ["--ssh", "me@nerves-1a2b.local:2222"]) == ["kitchen"]
      assert names(dir, ["me@nerves-1a2b.local:2222", "kitchen"]) == ["kitchen"]
      assert names(dir, ["--node", "a@b", "--ssh", "c", "d"]) == ~w(d a@b c)
      # With --ssh, a name is always a host.
      assert {:ok, %{targets: [%{nickname: nil, way: {:ssh, %{host: "kitchen"}}}]}} =
               config(dir, ["--ssh", "kitchen"])
    end

    test "by --device, however the device is reached", %{dir: dir} do
      own = [nodes: [:"a@garden.local"]]

      for {name, means} <- [
            {"porch", "porch"},
            {"kitchen", "kitchen"},
            {"phone", "phone"},
            {"nerves-1a2b.local", "kitchen"},
            {"example@nerves-3c4d.local", "porch"},
            {"a@garden.local", "a@garden.local"}
          ] do
        assert names(dir, ["--device", name], own) == [means]
      end

      argv = ["--device", "phone", "--group", "near", "--device", "porch", "--node", "a@b"]
      assert names(dir, argv) == ~w(phone kitchen porch a@b)

      assert message(config(dir, ["--device", "kichten"], %{}, own)) ==
               "no device matches kichten: it is not a nickname, node or host in your " <>
                 "configuration. Did you mean kitchen?"

      assert message(config(dir, ["--device", "zzz"], %{}, own)) =~
               "Known names: porch, kitchen, phone, attic, a@garden.local."
    end

    test "or says that there is no such device or group", %{dir: dir} do
      assert message(config(dir, ["--node", "kichten"])) =~
               "hotpush.toml has no [device.kichten]. Did you mean kitchen?"

      assert message(config(dir, ["--node", "zzz"])) =~
               "Known names: porch, kitchen, phone, attic."

      assert message(config(dir, ["--group", "naer"])) =~
               "hotpush.toml has no [group.naer]. Did you mean near?"

      assert message(config(dir, ["--group"])) =~ "--group takes the name of a group"
      none = Run.dir("none")
      assert message(config(none, ["--node", "porch"])) =~ "porch is not a node name"
      assert message(config(none, ["--group", "near"])) =~ "mix hotpush.init writes one"
    end
  end

  describe "cookies" do
    # By nickname; "" is the cookie for all devices.
    defp cookies(dir, argv \\ [], env \\ %{}, own \\ []) do
      with {:ok, config} <- config(dir, argv, env, own) do
        for target <- config.targets, into: %{"" => Secret.unwrap(config.cookie)} do
          {target.nickname, Secret.unwrap(target.cookie)}
        end
      end
    end

    test "command line, environment, a device's own, the file's, the Mix config's", %{dir: dir} do
      write(dir, @whole)
      env = %{"HOTPUSH_COOKIE" => "env"}
      own = [cookie: :mix]

      given = fn cookie ->
        %{"" => cookie, "porch" => nil, "kitchen" => nil, "phone" => nil, "attic" => nil}
      end

      assert cookies(dir, ["--cookie", "cli"], env, own) == given.(:cli)
      assert cookies(dir, [], env, own) == given.(:env)
      assert cookies(dir, [], %{}, own) == %{given.(:"for-all") | "porch" => :"its-own"}
      write(dir, String.replace(@whole, ~s(cookie = "for-all"), ""))
      assert cookies(dir, [], %{}, own) == %{given.(:mix) | "porch" => :"its-own"}

      # For the Mix config's devices, too, the file's counts.
      write(dir, "cookie_env = 'IT'")
      it = %{"IT" => "its"}
      assert %{"" => :its} = cookies(dir, [], it, nodes: [:a@b], cookie: :mix)

      write(dir, String.replace(@whole, ~s(cookie = "for-all"), ""))
      {:ok, config} = config(dir, ["--node", "porch"], %{}, own)
      refute inspect(config) =~ "its-own"
      assert [target] = Hotpush.Transport.Targets.list(config, "state")
      assert Secret.unwrap(target.cookie) == :"its-own"
    end

    test "in a variable", %{dir: dir} do
      write(dir, "cookie_env = 'IT'\n[device.a]\nnode = 'a@b'\n[device.b]\nssh = 'c'")
      assert %{"" => :sesame} = cookies(dir, [], %{"IT" => "sesame"})

      for env <- [%{}, %{"IT" => ""}] do
        message = message(cookies(dir, ["--node", "a"], env))
        assert message =~ ~r/hotpush.toml:1:14: the environment variable IT is not set/
        # Not every task has this option.
        refute message =~ "--cookie"
        # It costs only the device that needs it, whose failure has its name.
        {:ok, config} = config(dir, [], env)

        assert [%{name: "a", cookie_error: %Error{} = error}, %{name: "b", cookie_error: nil}] =
                 Hotpush.Transport.Targets.list(config, "state")

        assert Error.message(error) == "a: " <> message
      end

      # If no device needs the cookie, it is not looked up.
      assert %{"" => nil} = cookies(dir, ["--node", "b"])
      assert %{"" => :cli} = cookies(dir, ["--cookie", "cli"])
      assert %{"" => :env} = cookies(dir, [], %{"HOTPUSH_COOKIE" => "env"})
      bad = %{"IT" => "sesame€"}
      assert message(cookies(dir, ["a"], bad)) =~ "the value from cookie_env is not a valid"
      refute message(cookies(dir, ["a"], bad)) =~ "sesame"

      # If a device's own cookie is missing, the cookie for all devices does not replace it.
      write(
        dir,
        "cookie = 'all'\n[device.a]\nnode = 'a@b'\ncookie_env = 'IT'\n[device.c]\nnode = 'c@b'"
      )

      {:ok, config} = config(dir, [])

      assert [%{cookie_error: %Error{}}, %{cookie_error: nil}] =
               Hotpush.Transport.Targets.list(config, "s")

      assert message(config(dir, ["a"])) =~ "hotpush.toml:4:14"
      # A device that is not found yet may need no cookie.
      assert {:ok, _} = config(dir, ["--discover", "a"])
    end

    test "in hotpush.toml itself, if nobody else can read the file", %{dir: dir} do
      path = Path.join(dir, "hotpush.toml")
      of_one = "[device.a]\nnode = 'a@b'\ncookie = 'sesame'\n"

      for {text, place} <- [{of_one, "3:10"}, {"cookie = 'sesame'\n" <> of_one, "1:10"}],
          mode <- [0o640, 0o604, 0o644] do
        write(dir, text)
        assert {:ok, %Toml{}} = Toml.read(dir)
        File.chmod!(path, mode)
        # This is an error even if another cookie is used.
        message = message(config(dir, ["--cookie", "other"]))
        assert message =~ "hotpush.toml:#{place}: there is a cookie here"
        assert message =~ "(mode #{Integer.to_string(mode, 8)}): run chmod 600 #{path}"
        refute message =~ "sesame"
      end

      write(dir, "cookie_env = 'IT'\n[device.a]\nnode = 'a@b'")
      File.chmod!(path, 0o644)
      assert {:ok, %Toml{}} = Toml.read(dir)
    end

    test "in a file that nobody else can read", %{dir: dir} do
      write(dir, "[device.a]\nnode = 'a@b'\ncookie_file = 'my cookie'")
      path = Path.join(dir, "my cookie")
      assert message(cookies(dir)) =~ ~r/hotpush.toml:3:15: .*my cookie cannot be read: no such/

      File.write!(path, "sesame\n")

      for mode <- [0o640, 0o604, 0o620, 0o644] do
        File.chmod!(path, mode)
        message = message(cookies(dir))
        assert message =~ "(mode #{Integer.to_string(mode, 8)}): run chmod 600 '#{path}'"
        refute message =~ "sesame"
      end

      for {mode, text} <- [{0o600, "sesame\n"}, {0o400, "sesame"}, {0o600, "sesame\r\n"}] do
        File.chmod!(path, 0o600)
        File.write!(path, text)
        File.chmod!(path, mode)
        assert %{"a" => :sesame} = cookies(dir)
      end

      File.chmod!(path, 0o600)

      for text <- ["", "\n"],
          do:
            (
              File.write!(path, text)
              assert(message(cookies(dir)) =~ "is empty")
            )

      File.write!(path, String.duplicate("sesame", 1_000))
      assert message(cookies(dir)) =~ "at most 255 characters"
      File.rm!(path)
      File.mkdir!(path)
      assert message(cookies(dir)) =~ "cannot be read: illegal operation on a directory"
    end
  end
end
