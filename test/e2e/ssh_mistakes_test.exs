defmodule Hotpush.SshMistakesTest do
  @moduledoc "What a user reads when ssh does not get through: what was got, and what to do next."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Link, Project, Run, SshDevice, Until}

  setup_all do
    files = %{"lib/desk.ex" => "defmodule Desk do\n  def v, do: 1\nend\n"}
    project = Project.new(app: :desk, files: files)
    Project.mix!(project, ["compile"])
    %{project: project, device: SshDevice.start()}
  end

  # Restored by each test that changes it, since the device is shared.
  defp failed(project, device, args \\ [], env \\ %{}) do
    {output, status} = push(project, device, args, env)
    assert status == 1, output
    refute output =~ "Successfully"
    [line] = output |> String.trim() |> String.split("\n")
    line
  end

  # What a command that visits several hosts says of one of them.
  defp line(output, name) do
    failed = for line <- String.split(output, "\n"), line =~ ~r/^failed: /, do: line
    assert [line] = Enum.filter(failed, &(&1 =~ name)), "of #{inspect(name)}:\n#{output}"
    line
  end

  test "of several each says why it is not reached, and costs only itself", context do
    %{project: project, device: device} = context
    good = SshDevice.address(device)
    # 240.0.0.0/4 is reserved (RFC 1112), and no system routes to it; and who listens on port 1?
    hosts = [good, "me@no-such-host.invalid", "me@127.0.0.1:1", "240.0.0.1"]

    # The first of them is another project's.
    {output, 1} = run(project, hosts ++ ["--timeout", "10000"], SshDevice.env(device))
    assert output =~ "Successfully connected to #{good}"
    assert line(output, "no-such-host") =~ "no-such-host.invalid does not resolve"
    assert line(output, "no-such-host") =~ "use --node me@no-such-host.invalid"

    assert line(output, "127.0.0.1:1 ") =~
             "127.0.0.1:1 does not accept the connection: the port is closed"

    assert line(output, "240.0.0.1") =~
             ~r/240.0.0.1 (cannot be reached: there is no route to it|does not answer)/
  end

  test "it takes the connection and says nothing", %{project: project} do
    device = SshDevice.start(link: 0)
    Link.stall(device.link)
    line = failed(project, device, ["--timeout", "1500"])
    assert line =~ ~r/did not complete the connection within 1500 ms|does not answer/
    no_logs(project)
  end

  test "its host key is unknown, or another one", %{project: project, device: device} do
    SshDevice.forget_host_key(device)
    line = failed(project, device)
    assert line =~ "has a host key that this computer does not know yet"
    assert line =~ ~s(run "ssh -p #{device.port} root@127.0.0.1" once)
    refute line =~ "StrictHostKeyChecking"

    SshDevice.change_host_key(device)
    line = failed(project, device)
    assert line =~ "has a different host key from the one that this computer knows"

    assert line =~
             ~s(-R '[127.0.0.1]:#{device.port}'", then "ssh -p #{device.port} root@127.0.0.1")

    SshDevice.trust_host_key(device)
  end

  # bash's failglob does what zsh does: a pattern that matches no file is an error.
  @shells [["sh"], ["bash", "-O", "failglob"], ["zsh", "-f"]]

  test "the command that forgets a host key works as it is, in each shell", %{project: project} do
    device = SshDevice.start(names: ["kitchen.example"])
    config = File.read!(device.config)
    stranger = File.read!(device.stranger_key <> ".pub")

    for {args, name, more} <- [
          {[SshDevice.address(device)], "[127.0.0.1]:#{device.port}", ""},
          {["root@kitchen.example"], "[127.0.0.1]:#{device.port}", ""},
          {["root@kitchen.example"], "the-kitchen", "HostKeyAlias The-Kitchen\n"}
        ] do
      File.write!(device.config, config <> more)
      known = "other #{stranger}#{name} #{stranger}"
      File.write!(device.known_hosts, known)
      {output, 1} = run(project, args, SshDevice.env(device))
      [_, command] = Regex.run(~r/run "(ssh-keygen [^"]*)"/, output)

      for [shell | options] <- @shells, System.find_executable(shell) do
        File.write!(device.known_hosts, known)
        {said, status} = System.cmd(shell, options ++ ["-c", command], stderr_to_stdout: true)
        assert {status, said} == {0, said}
        assert File.read!(device.known_hosts) == "other #{stranger}"
      end
    end

    # Where ssh is set to never ask, the advice has it ask.
    File.write!(device.config, "StrictHostKeyChecking yes\n" <> config)
    [port, address] = ["-p #{device.port}", "root@127.0.0.1"]

    assert failed(project, device) =~
             ~s(run "ssh -o StrictHostKeyChecking=ask #{port} #{address}" once)
  end

  test "no key is accepted, and nobody can type a password", %{project: project, device: device} do
    for change <- [&SshDevice.use_wrong_key/1, &SshDevice.password_only/1] do
      change.(device)
      line = failed(project, device)
      assert line =~ "accepts none of this computer's ssh keys"
      assert line =~ "password cannot be typed here"
    end

    SshDevice.use_key(device)
  end

  test "SSH_ASKPASS answers, without a graphical screen", %{project: project} do
    device = SshDevice.start(apps: [], passwords: [{"root", "let me in"}])
    ask = Path.join(device.dir, "ask")
    File.write!(ask, "#!/bin/sh\necho let me in\n")
    File.chmod!(ask, 0o755)
    env = Map.merge(SshDevice.env(device), %{"SSH_ASKPASS" => ask, "DISPLAY" => ""})
    keygen = ["-q", "-p", "-P", "", "-N", "let me in", "-f", device.key]
    {_, 0} = System.cmd("ssh-keygen", keygen)

    for change <- [&SshDevice.use_key/1, &SshDevice.password_only/1] do
      change.(device)
      {output, _} = run(project, [SshDevice.address(device), "--no-compile"], env)
      assert output =~ "Successfully connected to #{SshDevice.address(device)}"
    end

    SshDevice.use_key(device)
    never = Map.put(env, "SSH_ASKPASS_REQUIRE", "never")
    assert failed(project, device, [], never) =~ "accepts none of this computer's ssh keys"

    # It is asked for what it can know: not whether to trust a key that nobody knows.
    SshDevice.forget_host_key(device)
    assert failed(project, device, [], env) =~ "does not know yet"
  end

  test "a private key that others may read", %{project: project, device: device} do
    File.chmod!(device.key, 0o644)
    line = failed(project, device)
    File.chmod!(device.key, 0o600)
    assert line =~ "does not use a private key file that other users can read"
  end

  test "there is no ssh", %{project: project, device: device} do
    # A PATH that has what Mix needs, and no ssh.
    bin = Run.dir("bin")
    File.mkdir_p!(bin)

    for program <-
          ~w(elixir mix erl sh env dirname readlink basename sed grep cargo rustc cc
                     setsid timeout sleep) do
      if path = System.find_executable(program), do: File.ln_s!(path, Path.join(bin, program))
    end

    line = failed(project, device, [], %{"PATH" => bin})
    assert line =~ "there is no ssh in this computer's PATH"
  end

  test "devices whose exec is another", %{project: project} do
    says = [
      erlang: "does not answer Elixir expressions, but says: \"**Error**",
      shell: "does not answer Elixir expressions, but says: \"",
      # From the line that says what is wrong, not from the end of its stack trace.
      lfe_like: ~s(but says: "(ErlangError\) Erlang error: {:unbound_symb, \":erl_eval\"}". Does),
      disabled: "runs no commands over ssh. Set config :nerves_ssh, exec: :elixir"
    ]

    devices = for {exec, _} <- says, do: SshDevice.start(exec: exec)
    args = Enum.map(devices, &SshDevice.address/1)
    {output, 1} = run(project, args, SshDevice.env(devices))
    refute output =~ "Successfully"

    for {device, {_, said}} <- Enum.zip(devices, says) do
      line = line(output, ":#{device.port}")
      assert line =~ said
      assert line =~ "exec: :elixir"
    end
  end

  # A program in the place of ssh is the one way to have devices that lie, each by its name.
  test "devices that answer with what cannot be read, or that never stop talking", context do
    lies = [
      pid: frame(self()),
      atom: "hotpush " <> Base.encode64(<<131, 119, 14, "never_seen_atom">>),
      bomb: "hotpush " <> Base.encode64(<<131, 80, 0xFFFFFFFF::32, 1, 2, 3>>),
      strange: frame({:ready, :not_a_pid})
    ]

    scripts = for {name, says} <- lies, do: {name, "echo '#{says}'; sleep 60"}
    talks = {:talker, "while :; do echo 'and another thing'; done"}
    output = visit_liars(context.project, [talks | scripts])

    for {name, _} <- lies,
        do: assert(line(output, ~r/\b#{name}\b/) =~ "sent an answer that cannot be read safely")

    assert line(output, "talker") =~
             "does not answer Elixir expressions, but says: \"and another thing"
  end

  test "devices that say things that nobody asked for are hung up on", %{project: project} do
    ready = frame({:ready, ~c"<0.1.0>"})

    lies = [
      stranger: "echo '#{frame({7, :answer, "x"})}'",
      flood: "yes '#{frame({7, :answer, :none})}'",
      twice: "echo '#{ready}'",
      shape: "echo '#{frame({:hello, 1, 2, 3})}'"
    ]

    scripts =
      for {name, lie} <- lies, do: {name, "read -r line; echo '#{ready}'; #{lie}; sleep 60"}

    output = visit_liars(project, scripts)

    # The lie may come before the greeting was taken in.
    for {name, _} <- lies do
      line = line(output, ~r/\b#{name}\b/)

      assert line =~ ~r/was lost while it was being asked what it runs|cannot be read safely/,
             "#{name}: #{output}"
    end

    no_logs(project)
  end

  defp frame(term), do: "hotpush " <> Base.encode64(:erlang.term_to_binary(term))

  defp visit_liars(project, scripts) do
    bin = Run.dir("liars")
    cases = for {name, script} <- scripts, do: "*' -- #{name} '*) #{script};;\n"
    File.write!(Path.join(bin, "ssh"), "#!/bin/sh\ncase \"$*\" in\n#{cases}esac\n")
    File.chmod!(Path.join(bin, "ssh"), 0o755)
    args = for {name, _} <- scripts, do: to_string(name)
    env = %{"PATH" => bin <> ":" <> System.get_env("PATH")}
    {output, 1} = run(project, args, env)
    output
  end

  test "a host that is killed leaves neither an ssh here nor a process there", context do
    device = SshDevice.start(link: 100)
    {_, 0} = SshDevice.ssh(device, ["1"])
    before = Device.eval(device.device, "length(Process.list())")
    # It is asked, and does not answer: the push hangs in the middle. (In a VM of its own.)
    task = Task.async(fn -> push(context.project, device, ["--no-compile"]) end)
    Until.until("ssh to run", fn -> ssh(device) != [] end, 20_000)

    Until.until("the visit", fn ->
      Device.eval(device.device, "length(Process.list())") > before
    end)

    Link.stall(device.link)
    [ssh] = ssh(device)
    # Between the VM and what it runs stands its erl_child_setup.
    {_, 0} = System.cmd("kill", ["-KILL", ssh |> parent() |> parent()])
    Until.until("ssh to end", fn -> ssh(device) == [] end)
    Link.resume(device.link)

    Until.until(
      "the device to be as before",
      fn -> Device.eval(device.device, "length(Process.list())") <= before end,
      30_000
    )

    Task.shutdown(task, :brutal_kill)
    no_logs(context.project)
  end

  # What ssh said of itself is not kept.
  defp no_logs(project) do
    logs = Path.join(project.dir, "_build/*/.hotpush/ssh_*")
    Until.until("ssh's words to be gone", fn -> Path.wildcard(logs, match_dot: true) == [] end)
  end

  defp parent(pid) do
    {out, 0} = System.cmd("ps", ["-o", "ppid=", "-p", pid])
    String.trim(out)
  end

  defp ssh(device) do
    {out, _} = System.cmd("pgrep", ["-f", "ssh .*-p #{device.port} "])
    String.split(out)
  end
end
