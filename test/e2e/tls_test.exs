defmodule Hotpush.TlsTest do
  @moduledoc """
  Distribution over TLS, by what guides/tls.md says: its commands make the certificates, its files
  configure both sides, and its command pushes.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Link, Project, Run, Until}

  @moduletag :cargo
  @moduletag :openssl

  @guide File.read!(Path.expand("../../guides/tls.md", __DIR__))
  @host "127.0.0.1"
  @linked "127.0.0.2"

  setup_all do
    dir = certificates()
    files = %{"lib/vault.ex" => "defmodule Vault do\n  def v, do: 1\nend\n"}
    project = Project.new(app: :vault, files: files, extra_applications: [:logger, :ssl])
    context = %{dir: dir, project: project, release: Project.release(project)}
    # As the guide has it.
    Map.put(context, :device, device(context, conf(dir, "device")))
  end

  # The guide's openssl commands, for the host that the tests have.
  defp certificates do
    dir = Run.dir("tls")

    for line <- commands(), line =~ ~r/^(openssl|printf) /, do: sh(dir, line)
    dir
  end

  defp commands do
    for [_, block] <- Regex.scan(~r/```sh\n(.*?)```/s, @guide),
        "$ " <> line <- String.split(block, "\n"),
        do: for_address(line)
  end

  defp for_address(line) do
    line
    |> String.replace(
      "DNS:nerves.local",
      Enum.map_join([@host, @linked], ",", &"DNS:#{&1},IP:#{&1}")
    )
    |> String.replace("nerves.local", @host)
  end

  defp sh(dir, line) do
    {output, status} = System.cmd("sh", ["-c", line], cd: dir, stderr_to_stdout: true)
    assert {line, status} == {line, 0}, output
  end

  # The guide's two files, with the folder that the tests have.
  defp conf(dir, name, changes \\ []) do
    [text] =
      for [_, block] <- Regex.scan(~r/```erlang\n(.*?)```/s, @guide),
          block =~ "/#{name}.pem",
          do: block

    text = String.replace(text, ["/data/tls", "/home/me/tls"], dir)
    text = Enum.reduce(changes, text, fn {from, to}, text -> String.replace(text, from, to) end)
    path = Path.join(Run.dir("conf"), "#{name}.conf")
    File.write!(path, text)
    path
  end

  defp options(conf), do: "-proto_dist inet_tls -ssl_dist_optfile #{conf}"

  defp device(context, conf, more \\ []) do
    args = String.split(options(conf))
    Device.start([release: context.release, args: args] ++ more)
  end

  defp env(device, conf) do
    %{"HOTPUSH_COOKIE" => "#{device.cookie}", "ELIXIR_ERL_OPTIONS" => options(conf)}
  end

  defp edit(project),
    do:
      Project.edit(
        project,
        "lib/vault.ex",
        ~r/v, do: \d+/,
        "v, do: #{System.unique_integer([:positive])}"
      )

  test "a device whose node uses TLS is pushed to by the guide's command", context do
    %{dir: dir, project: project, device: device} = context
    host = conf(dir, "host")

    # `export NAME="value"`, then the command.
    assert ["export ELIXIR_ERL_OPTIONS=" <> value, "mix upload.hotswap " <> args] =
             Enum.reject(commands(), &(&1 =~ ~r/^(openssl|printf)/))

    value = value |> String.trim("\"") |> String.replace("/home/me/tls/host.conf", host)
    args = args |> String.replace("example@#{@host}", "#{device.node}") |> OptionParser.split()
    env = %{"HOTPUSH_COOKIE" => "#{device.cookie}", "ELIXIR_ERL_OPTIONS" => value}

    edit(project)
    {output, status} = run(project, args, env, ["#{device.cookie}"])
    assert {status, output} == {0, output}
    assert deployed(output) == ["Elixir.Vault"]
    # TLS has its price, and the figure counts it.
    assert output =~ ~r/\([\d.]+ kB sent, 2 round trips\)/
    assert Device.eval(device, "Vault.v()") > 1

    # That TLS has ended is told to the device a little later.
    Until.until("the host to be gone", fn ->
      Device.call(device, :erlang, :nodes, [:connected]) == []
    end)

    again(project, device, [], %{"ELIXIR_ERL_OPTIONS" => value})
  end

  defp refused(context, device, env, args \\ []) do
    {output, status} = push(context.project, device, ["--timeout", "10000" | args], env)
    assert {status, output} == {1, output}
    output
  end

  test "a certificate that the other side does not accept", context do
    %{dir: dir, device: device} = context
    other = certificates()

    # The device's is signed by another authority than this host knows.
    strange = conf(dir, "host", [{"#{dir}/ca.pem", "#{other}/ca.pem"}])

    output = refused(context, device, env(device, strange))
    assert output =~ "this host does not accept the certificate of #{device.node} (unknown_ca)."
    # As it is found from the project.
    assert [_, guide] = Regex.run(~r/ For more, see (\S+tls\.md)\.$/m, output)
    assert File.exists?(Path.expand(guide, context.project.dir))

    # This host's is signed by another than the device knows.
    strange =
      conf(dir, "host", for(f <- ~w(host.pem host.key), do: {"#{dir}/#{f}", "#{other}/#{f}"}))

    assert refused(context, device, env(device, strange)) =~
             "#{device.node} does not accept this host's certificate ("

    # None at all: since OTP 26 this host sees that by itself.
    assert refused(context, device, %{"ELIXIR_ERL_OPTIONS" => "-proto_dist inet_tls"}) =~
             ~r/#{device.node} does not accept this host's certificate \(|#{device.node}: the client part of/
  end

  test "a certificate for another host, no TLS at the device, the wrong cookie", context do
    %{dir: dir, device: device} = context
    sh(dir, "printf subjectAltName=DNS:elsewhere.local > other.ext")

    [line] = for line <- commands(), line =~ "-extfile", do: line

    line =
      line
      |> String.replace("device.ext", "other.ext")
      |> String.replace("-out device.pem", "-out other.pem")

    sh(dir, line)
    elsewhere = device(context, conf(dir, "device", [{"device.pem", "other.pem"}]))
    plain = Device.start(release: context.release, cookie: elsewhere.cookie)
    args = for device <- [plain, device], arg <- ["--node", "#{device.node}"], do: arg
    output = refused(context, elsewhere, env(elsewhere, conf(dir, "host")), args)

    assert output =~
             "the certificate of #{elsewhere.node} is not for #{@host}. Make one with " <>
               "subjectAltName DNS:#{@host},IP:#{@host}, or"

    assert output =~ "#{plain.node} does not use TLS for distribution, but this host does"
    assert output =~ ~r/^failed: #{device.node}.* most likely the cookie is wrong/m
  end

  test "TLS at the device, and none here", %{device: device} = context do
    assert refused(context, device, %{}) =~
             "#{device.node} uses TLS for distribution, and this host does not."
  end

  test "a line that is cut after TLS is not the cookie's doing", %{dir: dir} = context do
    device = device(context, conf(dir, "device"), link: 0)
    env = env(device, conf(dir, "host"))

    # The handshake of TLS takes this host some 2,100 bytes, that of distribution 100 more.
    outputs =
      for bytes <- [2150, 2250, 2350] do
        Link.cut_after(device.link, :to_device, bytes)
        {output, status} = push(context.project, device, ["--timeout", "10000"], env)
        Link.resume(device.link)
        assert {status, output} == {1, output}
        refute output =~ "cookie"
        output
      end

    assert Enum.any?(outputs, &(&1 =~ "the connection broke before it was complete"))
  end

  # What Mix does since Elixir 1.15 to a project that does not name them.
  test "ssl and what it needs are found where they were taken from the code path" do
    code = """
    apps = [:ssl, :public_key, :asn1, :crypto]
    Enum.each(apps, &:code.del_path/1)
    true = Enum.all?(apps, &(:code.lib_dir(&1) == {:error, :bad_name}))
    :ok = Hotpush.Transport.Dist.Tls.ready()
    IO.puts("ssl is \#{Application.started_applications() |> List.keymember?(:ssl, 0)}")
    """

    ebin = Path.join(:code.lib_dir(:hotpush), "ebin")
    answer = System.cmd("elixir", ["-pa", ebin, "-e", code], stderr_to_stdout: true)
    assert answer == {"ssl is true\n", 0}
  end

  test "files that cannot be used", %{dir: dir, device: device} = context do
    assert refused(context, device, env(device, "/nowhere/host.conf")) =~
             "-ssl_dist_optfile: /nowhere/host.conf cannot be read."

    gone = conf(dir, "host", [{"host.pem", "gone.pem"}])

    assert refused(context, device, env(device, gone)) =~
             "-ssl_dist_optfile: certfile #{dir}/gone.pem"
  end
end
