defmodule Hotpush.Test.SshDevice.Client do
  @moduledoc """
  The developer's side of SSH devices, in files: keys, known hosts, a configuration,
  and a program `ssh` that reads this configuration only.

  The system's ssh finds `~/.ssh` with the password file, not with `HOME`, so another
  HOME would not protect the developer's keys from tests.
  """

  alias Hotpush.Test.Run

  @doc "Makes an ed25519 key pair at `path`, without a passphrase."
  @spec key(Path.t()) :: Path.t()
  def key(path) do
    {_, 0} =
      System.cmd("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path],
        stderr_to_stdout: true
      )

    path
  end

  @doc "Writes known hosts: the key in `public` for the device that listens on `port`."
  @spec trust(Path.t(), Path.t(), :inet.port_number()) :: :ok
  def trust(known_hosts, public, port) do
    [type, key | _comment] = public |> File.read!() |> String.split()
    names = Enum.map_join(~w(127.0.0.1 ::1 localhost), ",", &"[#{&1}]:#{port}")
    File.write!(known_hosts, "#{names} #{type} #{key}\n")
  end

  @doc """
  Writes how ssh meets one device: with `key`, or with a password where that is nil.

  What the configuration leaves open is as ssh has it by default, except that it
  looks for keys nowhere else.
  """
  @spec configure(Path.t(), Path.t(), Path.t() | nil) :: :ok
  def configure(config, known_hosts, key) do
    way =
      if key do
        ["IdentityFile #{key}"]
      else
        ["PubkeyAuthentication no", "PreferredAuthentications keyboard-interactive,password"]
      end

    everywhere = [
      "IdentitiesOnly yes",
      "IdentityAgent none",
      "GlobalKnownHostsFile /dev/null",
      "UserKnownHostsFile #{known_hosts}"
    ]

    File.write!(config, Enum.map_join(way ++ everywhere, &(&1 <> "\n")))
  end

  @doc """
  Writes a program `ssh` for `parties`, `{names, port, config}` each, into a folder, which is
  returned. `names` lead to the port without saying it.
  """
  @spec program([{[String.t()], :inet.port_number(), Path.t()}]) :: Path.t()
  def program(parties) do
    dir = Run.dir("ssh_program")
    config = Path.join(dir, "config")
    File.write!(config, Enum.map(parties, &aliases/1) ++ Enum.map(parties, &party/1))

    ssh = Path.join(dir, "ssh")
    File.write!(ssh, ~s(#!/bin/sh\nexec #{system_ssh()} -F #{config} "$@"\n))
    File.chmod!(ssh, 0o755)
    dir
  end

  defp aliases({[], _port, _config}), do: ""

  defp aliases({names, port, _config}),
    do: "Host #{Enum.join(names, " ")}\n  HostName 127.0.0.1\n  Port #{port}\n"

  # ssh_config knows no condition on the port; the one of another device asks for nothing.
  defp party({_names, port, config}),
    do: "Match exec \"test %p = #{port}\"\n  Include #{config}\n"

  @doc "Runs `program` without a terminal; `input` is its standard input. Ended after a minute."
  @spec run(Path.t(), [String.t()], binary) :: {binary, non_neg_integer}
  def run(program, args, input) do
    file = Path.join(Run.dir("input"), "text")
    File.write!(file, input)
    # In a session of its own it can ask nobody.
    shell = ["-c", ~s(exec setsid -w timeout -s KILL 60 "$@" <"$0"), file, program | args]
    System.cmd("sh", shell, stderr_to_stdout: true, env: [{"DISPLAY", nil}, {"SSH_ASKPASS", nil}])
  end

  @doc "Calls `fun` with `path` as this VM's PATH; one at a time."
  @spec with_path(String.t(), (() -> value)) :: value when value: term
  def with_path(path, fun) do
    # Not a lock of :global: this VM changes its node name meanwhile.
    Hotpush.Turn.take(__MODULE__, fn -> put_path(path, fun) end)
  end

  defp put_path(path, fun) do
    before = System.get_env("PATH")
    System.put_env("PATH", path)

    try do
      fun.()
    after
      System.put_env("PATH", before)
    end
  end

  # Not a wrapper that a test has put first in PATH.
  defp system_ssh do
    System.get_env("PATH")
    |> String.split(":")
    |> Enum.reject(&String.starts_with?(&1, Run.root()))
    |> Enum.find_value(&System.find_executable(Path.join(&1, "ssh"))) ||
      raise "no ssh in PATH: install openssh-client"
  end
end
