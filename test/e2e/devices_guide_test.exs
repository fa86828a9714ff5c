defmodule Hotpush.DevicesGuideTest do
  @moduledoc "guides/devices.md from its beginning to its end, as a new user types it."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Hotswap, Project, Run, SshDevice}

  @moduletag :ssh

  @root Path.expand("../..", __DIR__)
  @guide File.read!(Path.join(@root, "guides/devices.md"))
  @named "example@nerves-3c4d.local"

  defp blocks(language) do
    for [_, block] <- Regex.scan(~r/```#{language}\n(.*?)```/s, @guide), do: block
  end

  # `$ command    # comment`, in the order in which they stand, with the toml block's place.
  defp steps do
    Regex.scan(~r/```(sh|toml)\n(.*?)```/s, @guide)
    |> Enum.flat_map(fn
      [_, "toml", text] -> [{:toml, text}]
      [_, "sh", text] -> for "$ " <> line <- String.split(text, "\n"), do: {:sh, line}
    end)
  end

  test "each command does what it says" do
    name = Run.name("example")
    node = "#{name}@127.0.0.1"

    project =
      Project.new(
        app: :example,
        extra_applications: [:logger, :iex, :ssh, :public_key],
        files: %{"lib/example.ex" => "defmodule Example do\n  def v, do: 1\nend\n"}
      )

    [_, cookie] = Regex.run(~r/HOTPUSH_COOKIE="([^"]+)"/, @guide)
    release = Project.release(project)
    stock = SshDevice.start(release: release, names: ["nerves.local"])
    porch = Device.start(release: release, name: name, cookie: cookie)
    env = SshDevice.env(stock)

    # "Change something in the project"
    Project.edit(project, "lib/example.ex", "v, do: 1", "v, do: 2")

    Enum.reduce(steps(), env, fn
      {:toml, text}, env ->
        Project.write(project, "hotpush.toml", String.replace(text, @named, node))
        env

      {:sh, line}, env ->
        [command | args] = line |> String.replace(@named, node) |> OptionParser.split()
        type(project, command, Enum.take_while(args, &(&1 != "#")), env)
    end)

    assert Device.eval(stock.device, "Example.v()") == 2
    assert Device.eval(porch, "Example.v()") == 2
    assert Device.call(stock.device, :erlang, :node, []) == :nonode@nohost

    # What it says of iex.
    [_dep, iex] = blocks("elixir")
    Project.edit(project, "lib/example.ex", ~r/v, do: \d+/, "v, do: 42")
    Project.write(project, "script.exs", iex <> "\nIO.inspect({pushed_count, failed_list})")
    env = Map.put(env, "HOTPUSH_COOKIE", cookie)
    assert Project.mix!(project, ["run", "--no-start", "script.exs"], env) =~ "{0, []}"
    for device <- [stock.device, porch], do: assert(Device.eval(device, "Example.v()") == 42)
    {again, 0} = Hotswap.run(project, [], env)
    assert again =~ "Nothing differs on kitchen" and again =~ "Nothing differs on porch"
  end

  defp type(_project, "export", [setting], env) do
    [name, value] = String.split(setting, "=", parts: 2)
    Map.put(env, name, value)
  end

  defp type(_project, "ssh", args, env) do
    assert {"2", 0} = System.cmd("env", ["PATH=" <> env["PATH"], "ssh" | args])
    env
  end

  defp type(project, "mix", args, env) do
    {output, status} = mix(project, args, env)
    Hotswap.decent(output, [env["HOTPUSH_COOKIE"] || "no cookie yet"])
    assert {0, output} == {status, output}
    says(args, output)
    env
  end

  defp mix(project, ["upload.hotswap" | args], env), do: Hotswap.run(project, args, env)
  defp mix(project, args, env), do: Project.mix(project, args, env)

  # Before one is named, nodes of this computer may be there, and no device is.
  defp says(["hotpush.devices" | _], output),
    do: assert(output =~ "DIFFER" or output =~ "No device was found")

  defp says(["hotpush.init" | _], output), do: assert(output =~ "hotpush.toml")
  # Typed twice: what is deployed by the first is not by the second.
  defp says(["upload.hotswap", "nerves.local"], output) do
    if Process.put(:pushed, true),
      do: assert(output =~ "Nothing differs on nerves.local"),
      else: assert(output =~ "Successfully deployed Elixir.Example to nerves.local")
  end

  defp says(["upload.hotswap" | _], output), do: assert(output =~ "Successfully connected to")

  test "its code is code, its links lead somewhere, and what it quotes is said" do
    for block <- blocks("elixir"), do: assert({:ok, _} = Code.string_to_quoted(block))

    for [_, path] <- Regex.scan(~r/\]\(([^)#]+)\)/, @guide) do
      assert File.exists?(Path.expand(path, Path.join(@root, "guides"))), path
    end

    prose = File.read!(Path.join(@root, "lib/hotpush/error/prose/ssh.ex"))
    [_, table] = String.split(@guide, "| it says | it is |\n")
    quoted = for [_, said] <- Regex.scan(~r/^\| ([a-z][^|]+) \|/m, table), do: said
    assert length(quoted) == 5
    joined = Regex.replace(~r/" <>\s+"/, prose, "")
    for text <- quoted, do: assert(joined =~ text, text)
  end
end
