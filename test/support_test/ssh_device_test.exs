defmodule Hotpush.Test.SshDeviceTest do
  @moduledoc """
  Stock devices for tests. Without it, tests over ssh could meet a daemon unlike that of Nerves.
  """
  use ExUnit.Case, async: true

  @moduletag :ssh

  alias Hotpush.Test.{Device, Epmd, Link, Project, SshDevice, Until}

  setup_all do
    %{device: SshDevice.start()}
  end

  defp out(device, expression, opts \\ []) do
    {output, 0} = SshDevice.ssh(device, [expression], opts)
    output
  end

  describe "a stock device" do
    test "evaluates what the system's ssh brings", %{device: device} do
      assert out(device, "1 + 1") == "2"
      assert out(device, "x = 1\nx + 1") == "2"
      assert out(device, ~s(IO.puts("a"\); "b")) |> unix() == ~s(a\n"b")
    end

    test "is no node, starts no epmd and registers nowhere", %{device: device} do
      assert out(device, "{node(), Node.alive?()}") == "{:nonode@nohost, false}"
      assert Epmd.names(device.device.node) == []

      assert Device.call(device.device, :init, :get_argument, [:start_epmd]) ==
               {:ok, [[~c"false"]]}

      assert Device.call(device.device, :erlang, :whereis, [:net_kernel]) == :undefined
    end

    test "answers no more than inspect does", %{device: device} do
      assert out(device, "Enum.to_list(1..201)") =~ ~r/ (50|200), \.\.\.\]$/
      long = out(device, ~s|String.duplicate("a", 5000)|)
      assert byte_size(long) in 4096..4200
      assert long =~ ~r/aa" <> \.\.\.$/
    end

    test "says what went wrong, with a status of its own", %{device: device} do
      assert {output, 255} = SshDevice.ssh(device, [~s(raise "oh")])
      assert output =~ "**Error** ** (RuntimeError) oh"
      assert {output, 255} = SshDevice.ssh(device, ["1 +"])
      assert output =~ "TokenMissingError"
      assert {output, 255} = SshDevice.ssh(device, ["throw(:up)"])
      assert output =~ "(throw) :up"
    end

    test "lets the expression read and write", %{device: device} do
      echo = ~s|for _ <- 1..3, do: IO.write(["<", String.trim(to_string(IO.gets(""))), ">"])|
      assert out(device, echo, input: "a\nb\nc\n") =~ "<a><b><c>[:ok, :ok, :ok]"
    end

    test "has sftp", %{device: device} do
      init = <<5::32, 1, 3::32>>
      assert {<<_::32, 2, _::binary>>, _} = SshDevice.ssh(device, ["sftp"], sftp(init))
    end

    defp sftp(init), do: [options: ["-s"], input: init]

    test "forwards nothing", %{device: device} do
      assert {output, 255} =
               SshDevice.ssh(device, [], options: ["-W", "127.0.0.1:#{device.port}"])

      assert output =~ "Forwarding disabled"
    end

    test "has no weak algorithms", %{device: device} do
      for options <- [
            ["KexAlgorithms=ecdh-sha2-nistp256"],
            ["Ciphers=aes256-cbc"],
            ["Ciphers=aes256-ctr", "MACs=hmac-sha1"]
          ] do
        options = Enum.flat_map(options, &["-o", &1])
        assert {output, 255} = SshDevice.ssh(device, ["1"], options: options)
        assert output =~ "no matching", inspect(options)
      end
    end
  end

  defp unix(text), do: String.replace(text, "\r\n", "\n")

  describe "a developer who" do
    setup do
      %{device: SshDevice.start(passwords: [{"root", "let me in"}])}
    end

    test "meets it for the first time", %{device: device} do
      SshDevice.forget_host_key(device)
      assert {output, 255} = SshDevice.ssh(device, ["1"])
      assert output =~ "Host key verification failed"
      assert out(device, "1", options: ["-o", "StrictHostKeyChecking=accept-new"]) =~ ~r/1$/
      assert out(device, "1") == "1"
    end

    test "knows another host key", %{device: device} do
      SshDevice.change_host_key(device)
      assert {output, 255} = SshDevice.ssh(device, ["1"])
      assert output =~ "REMOTE HOST IDENTIFICATION HAS CHANGED"
      SshDevice.trust_host_key(device)
      assert out(device, "1") == "1"
    end

    test "has a key that it does not take, or none", %{device: device} do
      for unable <- [&SshDevice.use_wrong_key/1, &SshDevice.password_only/1] do
        unable.(device)
        assert {output, 255} = SshDevice.ssh(device, ["1"])
        assert output =~ "Unable to connect using the available authentication methods"
        assert {output, 255} = SshDevice.ssh(device, ["1"], options: ["-o", "BatchMode=yes"])
        assert output =~ "Permission denied (publickey,keyboard-interactive,password)"
      end

      SshDevice.use_key(device)
      assert out(device, "1") == "1"
    end

    test "types the password", %{device: device} do
      SshDevice.password_only(device)
      ask = Path.join(device.dir, "ask")
      File.write!(ask, "#!/bin/sh\necho let me in\n")
      File.chmod!(ask, 0o755)
      args = ["-p", "#{device.port}", "root@127.0.0.1", "1 + 1"]
      env = [{"SSH_ASKPASS", ask}, {"SSH_ASKPASS_REQUIRE", "force"}]
      # The prompt goes to standard error.
      quiet = ["-c", ~s(exec "$0" "$@" 2>/dev/null), SshDevice.program_path(device)]
      assert {"2", 0} = System.cmd("sh", quiet ++ args, env: env)
    end
  end

  describe "exec that is" do
    test "Erlang" do
      device = SshDevice.start(exec: :erlang)
      assert out(device, "erlang:node().") =~ "nonode@nohost"
      assert {_error, 255} = SshDevice.ssh(device, ["IO.puts(1)"])
    end

    test "a shell" do
      device = SshDevice.start(exec: :shell)
      assert out(device, "echo $((6 * 7))") |> unix() == "42\n"
      assert {output, 255} = SshDevice.ssh(device, ["IO.puts(1)"])
      assert output =~ "sh: "
    end

    test "like LFE" do
      device = SshDevice.start(exec: :lfe_like)
      assert {output, 255} = SshDevice.ssh(device, ["IO.puts(1)"])
      assert output =~ "unbound_symb"
    end

    test "disabled" do
      device = SshDevice.start(exec: :disabled)
      assert {output, 255} = SshDevice.ssh(device, ["1"])
      assert output =~ "Prohibited"
    end

    test "noisy" do
      device = SshDevice.start(banner: "Welcome\nto the device")
      assert out(device, "1 + 1") |> unix() == "Welcome\nto the device\n2"
    end
  end

  test "several devices are met by one ssh, also by names without a port" do
    [one, two] = for name <- ~w(one two), do: SshDevice.start(names: ["#{name}.local"])
    env = Enum.to_list(SshDevice.env([one, two]))

    for {device, name} <- [{one, "one"}, {two, "two"}],
        host <- ["root@#{name}.local", "ssh://" <> SshDevice.address(device)] do
      # A shell, since System.cmd looks for programs in this VM's own PATH.
      {pid, 0} = System.cmd("sh", ["-c", "ssh #{host} 'System.pid()'"], env: env)
      assert pid == "\"#{device.device.os_pid}\""
    end
  end

  test "PATH is put back", %{device: device} do
    path = System.get_env("PATH")
    program = SshDevice.program_path(device)
    assert SshDevice.with_path(device, fn -> System.find_executable("ssh") end) == program
    assert catch_throw(SshDevice.with_path(device, fn -> throw(:up) end)) == :up
    assert System.get_env("PATH") == path
  end

  test "is reached over its link when it has one" do
    device = SshDevice.start(link: 20)
    {us, "2"} = :timer.tc(fn -> out(device, "1 + 1") end)
    assert us > 100_000
    assert Link.connections(device.link) == 1
    Link.refuse(device.link)
    assert {output, 255} = SshDevice.ssh(device, ["1 + 1"])
    assert output =~ "Connection refused"
  end

  # What OTP does when the line is gone: its group leader ends, and is the only one to know. Who
  # reads is killed, who does not goes on; the end of the input alone reaches nobody.
  test "leaves behind what does not look after itself when the line is cut" do
    device = SshDevice.start(link: 0)

    bodies = [
      reads: "IO.gets(\"\")",
      watches:
        "r = Process.monitor(Process.group_leader()); receive do {:DOWN, ^r, _, _, _} -> 1 end",
      sleeps: "Process.sleep(:infinity)"
    ]

    for {name, body} <- bodies do
      Task.start_link(fn -> out_or_cut(device, "Process.register(self(), :#{name}); #{body}") end)
      Until.until("#{name} to run", fn -> pid(device, name) end)
    end

    Link.cut(device.link)
    Until.until("the reader to end", fn -> pid(device, :reads) == nil end)
    Until.until("the watcher to end", fn -> pid(device, :watches) == nil end)
    assert pid(device, :sleeps)
  end

  defp out_or_cut(device, expression) do
    {output, 255} = SshDevice.ssh(device, [expression])
    assert output =~ "closed by remote host"
  end

  # Of a registered process of the device.
  defp pid(device, name) do
    pid = Device.call(device.device, :erlang, :whereis, [name])
    if is_pid(pid), do: pid
  end

  test "reboots with its port and host key" do
    device = SshDevice.start()
    again = SshDevice.restart(device)
    assert again.device.os_pid != device.device.os_pid
    assert out(again, "System.pid()") == "\"#{again.device.os_pid}\""
  end

  test "can be embedded without a release" do
    device = SshDevice.start(mode: :embedded)
    assert out(device, ":code.get_mode()") == ":embedded"
  end

  test "can be a release" do
    project =
      Project.new(
        app: :stock,
        hotpush: false,
        extra_applications: [:logger, :iex, :ssh, :public_key],
        files: %{"lib/stock.ex" => "defmodule Stock do\n  def answer, do: 42\nend\n"}
      )

    device = SshDevice.start(release: Project.release(project))

    assert out(device, "{:code.get_mode(), node(), Stock.answer()}") ==
             "{:embedded, :nonode@nohost, 42}"

    SshDevice.restart(device)
    assert out(device, "Stock.answer()") == "42"
  end

  test "ends with the process that started it" do
    test = self()

    {owner, ref} =
      spawn_monitor(fn ->
        send(test, {:device, SshDevice.start(link: 0)})
        receive do: (:end -> :ok)
      end)

    assert_receive {:device, device}, 30_000
    send(owner, :end)
    assert_receive {:DOWN, ^ref, _, _, _}
    gone = fn -> not File.exists?("/proc/#{device.device.os_pid}") end
    Until.until("the device to end", gone)
    Until.until("the link to end", fn -> not Process.alive?(device.link.pid) end)
    assert {output, 255} = SshDevice.ssh(device, ["1"])
    assert output =~ "Connection refused"
  end
end
