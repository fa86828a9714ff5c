defmodule Hotpush.ConfigTest do
  @moduledoc """
  What options, environment and settings mean together. Without these tests, an option that the user
  overrode could take precedence.
  """
  use ExUnit.Case, async: true

  alias Hotpush.{Config, Error, Report}
  alias Hotpush.Config.{Arguments, Given, Options, Secret, Switch, Switches}
  doctest Hotpush.Config.Address
  doctest Hotpush.Config.Arguments
  doctest Hotpush.Config.Given
  doctest Hotpush.Config.Switch
  doctest Hotpush.Config.Secret
  doctest Hotpush.Config.Target
  doctest Hotpush.Push.Retry
  doctest Hotpush.Error.Prose.Waiting

  @own [app_name: :example, nodes: [:"example@nerves.local"], cookie: :own]

  # With the cookie in the open, so that it can be compared.
  defp build(argv, env \\ %{}, own \\ @own, older \\ []) do
    with {:ok, config} <- hidden(argv, env, own, older),
         do: {:ok, %{config | cookie: Secret.unwrap(config.cookie)}}
  end

  # What mix upload.hotswap makes of it.
  defp hidden(argv, env, own, older, target \\ :host) do
    with {:ok, given} <- Arguments.parse("upload.hotswap", argv),
         app_envs = %{hotpush: own, mix_tasks_upload_hotswap: older},
         {:ok, config} <- Config.build(given, env, app_envs, target),
         do: if(config.discover?, do: {:ok, config}, else: Config.to_push(config))
  end

  defp ways(config), do: Enum.map(config.targets, & &1.way)

  # A mistake of whoever asked: status 2.
  defp message({:error, %Error{stage: :usage} = error}) do
    assert Report.exit_status(error) == 2
    Error.message(error)
  end

  test "takes the project's config" do
    assert {:ok, config} = build([])
    assert %{app_names: [:example], cookie: :own} = config
    assert ways(config) == [node: :"example@nerves.local"]
    assert %{timeout: 30_000, purge: :soft, compile?: true, all?: false, force?: false} = config
  end

  test "note: false leaves the note of a push out" do
    assert {:ok, %{note?: true}} = build([])
    assert {:ok, %{note?: false}} = build([], %{}, [note: false] ++ @own)
    error = build([], %{}, [note: "no"] ++ @own)
    assert message(error) == "config :hotpush, note: should be true or false."
  end

  test "uses the older task's config if there is none of its own" do
    older = [app_name: :old, nodes: [:"old@nerves.local"], cookie: :older]
    assert {:ok, %{app_names: [:old], cookie: :older}} = build([], %{}, [], older)
    assert {:ok, %{app_names: [:example], cookie: :own}} = build([], %{}, @own, older)
  end

  test "the command line takes precedence over the environment, and the environment over the config" do
    env = %{"HOTPUSH_COOKIE" => "env"}
    assert {:ok, %{cookie: :cli}} = build(["--cookie", "cli"], env)
    assert {:ok, %{cookie: :env}} = build([], env)
    assert {:ok, %{cookie: :own}} = build([], %{"HOTPUSH_COOKIE" => ""})
    assert {:ok, %{cookie: nil}} = build(["--node", "a@b"], %{}, [])
  end

  test "--node is repeatable and needs no config" do
    argv = ["--node", "a@b.local", "--node", "c@d.local", "--node", "a@b.local"]
    assert {:ok, config} = build(argv, %{}, [])
    assert ways(config) == [node: :"a@b.local", node: :"c@d.local"]
  end

  test "hosts are reached by ssh, also together with nodes" do
    assert {:ok, config} = build(["me@a:22", "--node", "a@b", "--ssh", "c"])

    assert ways(config) ==
             [
               ssh: %{user: "me", host: "a", port: 22},
               node: :a@b,
               ssh: %{user: nil, host: "c", port: nil}
             ]

    assert message(build(["--ssh", "-oProxyCommand=x"])) =~ "--ssh takes [user@]host[:port]"
    assert message(build(["--", "-oProxyCommand=x"])) =~ "-oProxyCommand=x is not a host"
    touch = "-oProxyCommand=touch x"
    assert message(build(["--", touch])) =~ ~s("#{touch}" is not a host to reach by ssh)
    assert message(build(["--ssh", "-lroot@x"])) =~ "--ssh takes [user@]host[:port]"
    form = "it has the form [user@]host[:port]"
    assert message(build(["a b"])) =~ ~s("a b" is not a host to reach by ssh: #{form})
    assert message(build(["-v@a"])) =~ "unknown option -v"
    assert message(build(["-x@a"])) =~ "unknown option -x"
    assert message(build(["a:b"])) =~ "a:b is not a host"
  end

  test "a host next to a cookie" do
    for argv <- [
          ["a", "--cookie", "x"],
          ["--cookie", "x", "--force", "a"],
          ["--cookie=x", "--", "a"]
        ] do
      assert {:ok, %{cookie: :x} = config} = build(argv)
      assert ways(config) == [ssh: %{user: nil, host: "a", port: nil}]
    end

    assert message(build(["--cookie", "--force", "a"])) =~ "--cookie takes the device's cookie"
  end

  test "--wait takes a number of seconds or no value, and a host may follow it" do
    assert {:ok, %{wait: nil}} = build([])
    assert {:ok, %{wait: 60_000}} = build(["--wait"])
    assert {:ok, %{wait: 60_000, force?: true}} = build(["--wait", "--force"])
    assert {:ok, %{wait: 30_000}} = build(["--wait", "30"])
    assert {:ok, %{wait: 30_000}} = build(["--wait=30"])
    assert {:ok, %{wait: nil}} = build(["--no-wait"])
    assert {:ok, %{wait: 60_000} = config} = build(["--wait", "10.0.0.7"])
    assert ways(config) == [ssh: %{user: nil, host: "10.0.0.7", port: nil}]

    for value <- ["soon", "0", "-1"] do
      assert message(build(["--wait=" <> value])) =~
               "--wait takes a positive number of seconds, or nothing (60), got #{value}."
    end

    for {options, wait} <- [{[wait: true], 60}, {[wait: 5], 5}, {[wait: false], nil}] do
      assert {:ok, %{wait: ^wait}} = Options.parse(options)
    end
  end

  test "text that is neither a host nor a node" do
    assert message(build(["a", "2222"])) =~
             "2222 is not a host to reach by ssh: write the port after the host, " <>
               "as in nerves.local:2222."

    for option <- ["-p", "--port"], argv <- [["a", option, "22"], ["a", option <> "=22"]] do
      assert message(build(argv)) =~ "#{option}: write the port after the host, as in"
    end

    assert message(build(["--ssh", "a:22:22"])) =~ "a:22:22 is not a host"
    assert message(build(["--ssh", "a:65536"])) =~ "a port is a number from 1 to 65535"
    assert {:ok, _} = build(["--ssh", "[::1]:22", "--node", "a@::1"])

    assert message(build(["--node", "x@127.0.0.1:4369"])) =~
             "leave out the port, which epmd knows, as in --node x@127.0.0.1."

    assert message(build(["--node", "x@a:b"])) =~ "x@a:b is not a node name"
    assert message(build(["--node", ""])) =~ ~s("" is not a node name)

    label = String.duplicate("a", 63)
    long = Enum.map_join(1..4, ".", fn _ -> label end)
    assert {:ok, _} = build([label <> ".local"])

    for host <- [label <> "a.local", long <> ".local"] do
      assert message(build([host])) =~ "a host name has at most 253 characters, and 63 between"
      assert String.length(message(build([host]))) < 250
    end
  end

  test "a mistake on the command line suggests what was probably meant" do
    for {option, meant} <- [
          {"--dryrun", "--dry-run"},
          {"--nodes", "--node"},
          {"--no-compil", "--no-compile"}
        ] do
      assert message(build([option])) =~ ~r/unknown option #{option}: .* Did you mean #{meant}\?/
    end

    refute message(build(["--colour"])) =~ "Did you mean"
    for help <- ["-h", "--help"], do: assert(message(build([help])) =~ "mix help upload.hotswap")
    assert message(build(["--quiet", "--verbose"])) =~ "--quiet and --verbose contradict"

    for option <- ["--json", "--dry-run", "--no-compile"] do
      args = if option == "--json", do: ["--json", "-"], else: [option]
      assert message(build(["--watch" | args])) =~ "--watch and #{option} contradict each other"
    end
  end

  test "so does a mistake in every other task and in functions" do
    for {task, argv, says} <- [
          {"hotpush.devices", ["--ony", "mdns"], "--only"},
          {"hotpush.devices", ["--only", "mdsn"], "mdns"},
          {"hotpush.devices", ["json"], "--json"},
          {"hotpush.init", ["--forse"], "--force"},
          {"upload.hotswap", ["--purge", "sotf"], "soft"},
          {"upload.hotswap", ["--devise", "x"], "--device"}
        ] do
      assert message(Arguments.parse(task, argv)) =~ ~r/ Did you mean #{says}\?\z/
    end

    for task <- ["hotpush.devices", "hotpush.init"],
        {argv, says} <- [
          {["--colour"], "unknown option --colour: \"mix help #{task}\" lists them."},
          {["kitchen"], "unexpected argument kitchen"},
          {["--timeout", "soon"], "--timeout takes a number of milliseconds"},
          {["--timeout", "0"], "--timeout takes a number of milliseconds"}
        ] do
      assert message(Arguments.parse(task, argv)) =~ says
    end

    assert message(Arguments.parse("hotpush.init", ["--force=maybe"])) =~ "--force takes no value"

    assert message(Arguments.parse("hotpush.devices", ["--only", "wifi"])) =~
             "--only takes mdns or epmd"

    # An option of another task is unknown here.
    assert message(Arguments.parse("hotpush.disconnect", ["--force"])) =~ "unknown option --force"
    assert message(Arguments.parse("hotpush.init", ["-h"])) =~ "mix help hotpush.init"

    for {options, says} <- [
          {[nod: "a@b"], "Did you mean node:?"},
          {[devices: ["a"]], "Did you mean device:?"},
          {[purge: :klil], "--purge takes soft or kill, got klil. Did you mean kill?"},
          {[all: "maybe"], "--all takes no value, got maybe."},
          {[node: true], "--node takes a node name"},
          {[timeout: 0], "--timeout takes a positive number of milliseconds, got 0."},
          {[cookie: {:sesame}], "cookie: takes a string or an atom."}
        ] do
      assert message(Options.parse(options)) =~ says
    end
  end

  # One table: the command line and functions accept everything in it.
  test "a switch and its key mean the same" do
    ways = Enum.map(Hotpush.Discovery.Search.names(), &to_string/1)

    assert [%{type: ^ways}] =
             for(%{name: :only} = switch <- Switch.of("hotpush.devices"), do: switch)

    assert length(Switches.rows()) >= length(Switch.of("upload.hotswap"))

    for switch <- Switch.of(:functions) do
      text = %{timeout: "9", wait: "9", purge: "kill"}[switch.name] || "a@b"
      flag = Switch.flag(switch.name)

      {argv, value} =
        case switch.type do
          :flag -> {[flag], true}
          :on -> {["--no-" <> String.trim_leading(flag, "-")], false}
          _ -> {[flag, text], text}
        end

      assert {:ok, typed} = Arguments.parse("upload.hotswap", argv)
      assert {:ok, given} = Options.parse([{switch.name, value}])
      bare = &%{&1 | cookie: Secret.unwrap(&1.cookie)}
      assert bare.(typed) == bare.(given)
      assert bare.(given) != %Given{}
    end
  end

  test "--device names any device of the configuration, by any of its names" do
    own = [nodes: [:"example@nerves.local"], ssh: ["me@shed:2222"]]

    for {name, way} <- [
          {"example@nerves.local", :node},
          {"nerves.local", :node},
          {"me@shed:2222", :ssh},
          {"shed", :ssh}
        ] do
      assert {:ok, config} = build(["--device", name], %{}, own)
      assert [{^way, _}] = ways(config)
      assert {:ok, given} = Options.parse(device: name)
      assert {:ok, %{targets: targets}} = Config.build(given, %{}, %{hotpush: own})
      assert targets == config.targets
    end

    assert message(build(["--device", "shde"], %{}, own)) =~
             ~r/no device matches shde: it is not a nickname, node or host in your configuration\./

    assert message(build(["--device", ""], %{}, own)) =~ "no device matches"
    assert message(build(["--device", "x"], %{}, [])) =~ "no device matches x"
  end

  test "an unknown key of the config" do
    assert message(build([], %{}, node: [:a@b])) =~
             ~r/config :hotpush has no key node:. Its keys are .*nodes.* Did you mean nodes\?/

    # The older task's config may have other keys.
    assert {:ok, _} = build([], %{}, [], nodes: [:a@b], other: 1)
  end

  test "a build for a target goes to nerves.local if no device is named" do
    assert {:ok, config} = hidden([], %{}, [app_name: :a], [], :rpi3)
    assert ways(config) == [ssh: %{user: nil, host: "nerves.local", port: nil}]
    assert {:ok, config} = hidden(["x"], %{}, [], [], :rpi3)
    assert ways(config) == [ssh: %{user: nil, host: "x", port: nil}]
    assert message(hidden([], %{}, [], [])) =~ "no device is named"
    # The config itself may name no device.
    assert {:ok, %{targets: []}} = Config.build(%Given{}, %{}, %{}, :host)
    assert {:ok, %{targets: []}} = Config.build(%Given{}, %{}, %{}, :rpi3)
  end

  test "accepts strings, atoms and lists of them" do
    own = [app_name: ["x", :y], nodes: "a@b", ssh: ["c"], cookie: "s"]
    assert {:ok, %{app_names: [:x, :y], cookie: :s} = config} = build([], %{}, own)
    assert ways(config) == [node: :a@b, ssh: %{user: nil, host: "c", port: nil}]
  end

  test "every option" do
    argv = ~w(--module A --module B.* --app x --app :y --all --dry-run --json - --no-compile
              --timeout 10 --purge kill --force --docs --verbose)

    assert {:ok, config} = build(argv)
    assert %{modules: ["A", "B.*"], apps: [:x, :y], all?: true, dry_run?: true} = config
    assert %{json: "-", compile?: false, timeout: 10, purge: :kill} = config
    assert %{force?: true, docs?: true, verbosity: :verbose} = config
    assert {:ok, %{verbosity: :quiet}} = build(["--quiet"])
  end

  test "names what is wrong" do
    assert message(build(["--nodes", "x"])) =~ "unknown option --nodes"

    assert message(build(["--timeout", "soon"])) =~
             "--timeout takes a positive number of milliseconds, got soon"

    assert message(build(["--timeout", "-5"])) =~ "got -5"
    assert message(build(["--timeout", "0"])) =~ "a positive number of milliseconds, got 0."

    assert message(build(["--node", "a@b", "--timeout", "99999999999"])) =~
             "--timeout takes a positive number"

    assert message(build(["--timeout"])) =~ "got nothing"
    assert message(build(["--purge", "hard"])) =~ "--purge takes soft or kill, got hard"
    assert message(build(["--node", "porch"])) =~ "porch is not a node name"

    assert message(build(["--node", "porch"], %{}, [])) =~
             "porch is not a node name: it has the form name@host"

    assert message(build(["--node", "däsk@127.0.0.1"])) =~ "däsk@127.0.0.1 is not a node name"
    assert message(build(["--node"])) =~ "--node takes a node name"
    assert message(build(["--all=maybe"])) =~ "--all takes no value"

    assert message(build([], %{}, [])) =~
             ~r/no device is named. .*mix upload.hotswap nerves.local.*config :hotpush, nodes:.*mix hotpush.init/

    assert message(build(["--json", "--quiet"])) =~ "--json takes a path"
    assert message(build([], %{}, nodes: [])) =~ "no device is named"
    assert message(build([], %{}, nodes: :desk)) =~ "desk is not a node name"
    assert message(build([], %{}, nodes: 42)) =~ "nodes: should be a list of node names"
    assert message(build([], %{}, nodes: [:a@b, 42])) =~ "nodes: should be a list of node names"
    assert message(build([], %{}, nodes: [:a@b], app_name: 42)) =~ "app_name: should be the name"
    assert message(build([], %{}, nodes: [:a@b], cookie: 42)) =~ "cookie: should be"
  end

  test "a cookie is never shown" do
    {:ok, config} = hidden(["--cookie", "sesame"], %{}, @own, [])
    refute inspect(config) =~ "sesame"
    [target] = Hotpush.Transport.Targets.list(config, "state")
    refute inspect(target) =~ "sesame"
    refute message(build(["--cookie", "sesame", "--bad"])) =~ "sesame"

    for rest <- [["two", "sesame"], ["two", "-sesame"], ["two", "sesame", "host"]],
        argv <- [["--cookie" | rest], ["--cookie=" <> hd(rest) | tl(rest)]] do
      assert message(build(argv)) =~ "(not shown). Put a cookie with spaces in quotes"
      refute message(build(argv)) =~ "sesame"
    end

    refute message(build(["--cookei", "sesame"])) =~ "sesame"
    of_list = message(build([], %{}, nodes: [:a@b], cookie: ["sesame"]))
    assert of_list =~ "cookie: should be an atom or a string"
    refute of_list =~ "sesame"

    assert message(build(["--cookie", String.duplicate("sesame", 50)])) =~ "at most 255"

    for wrong <- [String.duplicate("sesame", 50), "sesamät€"],
        {argv, env} <- [{["--cookie", wrong], %{}}, {[], %{"HOTPUSH_COOKIE" => wrong}}] do
      assert {:error, error} = build(argv, env)
      assert message({:error, error}) =~ "cookie: should be "
      refute message({:error, error}) =~ "sesam"
      refute IO.iodata_to_binary(Report.Document.of_error(error)) =~ "sesam"
    end
  end

  # What `mix help` prints.
  test "the manual has every option, and the list of tasks has the task" do
    manual = Mix.Task.moduledoc(Mix.Tasks.Upload.Hotswap)

    for option <-
          ~w(--ssh --node --device --group --discover --module --app --all --dry-run --json
             --no-compile --timeout --wait --purge --force --docs --cookie --verbose --quiet
             HOTPUSH_COOKIE hotpush.toml),
        do: assert(manual =~ option)

    assert Mix.Task.shortdoc(Mix.Tasks.Upload.Hotswap) =~ "running devices"
    assert Mix.Task.get("upload.hotswap") == Mix.Tasks.Upload.Hotswap
  end
end
