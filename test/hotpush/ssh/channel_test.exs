defmodule Hotpush.Transport.Ssh.ChannelTest do
  @moduledoc """
  Programs in the place of ssh: one that ends while it is written to, and one that floods this host.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Run, SshDevice, Until}
  alias Hotpush.Transport.Ssh.{Channel, Command}

  # Prints the reason, closes its input, and ends only later.
  @ssh """
  #!/bin/sh
  echo "ssh: connect to host 127.0.0.1 port 1: Connection refused" >&2
  exec 0<&-
  echo closed >"$(dirname "$0")/closed"
  sleep 1
  exit 255
  """

  test "its output is read although its input was closed first" do
    dir = Run.dir("bin")
    File.write!(Path.join(dir, "ssh"), @ssh)
    File.chmod!(Path.join(dir, "ssh"), 0o755)

    SshDevice.Client.with_path(dir <> ":" <> System.get_env("PATH"), fn ->
      command = Command.new(%{user: nil, host: "127.0.0.1", port: 1}, 5_000, [])
      {:ok, channel} = Channel.start(command, Path.join(dir, "log"))
      monitor = Process.monitor(channel)
      Until.until("its input to be closed", fn -> File.exists?(Path.join(dir, "closed")) end)
      Channel.request(channel, 1, :call, {:erlang, :node, []})
      assert {:error, {:closed, ending}} = Channel.ready(channel, 5_000)
      assert %{status: 255, log: "ssh: connect to host" <> _} = ending
      assert {:error, {:closed, ^ending}} = Channel.ready(channel, 5_000)
      Channel.close(channel)
      assert_receive {:DOWN, ^monitor, :process, ^channel, :normal}
    end)
  end

  @ready "hotpush " <> Base.encode64(:erlang.term_to_binary({:ready, ~c"<0.1.0>"}))

  test "noise is tolerated as long as it can be read; a flood ends the session" do
    for {megabytes, lives?} <- [{10, true}, {100, false}] do
      dir = Run.dir("bin")
      go = Path.join(dir, "go")

      File.write!(Path.join(dir, "ssh"), """
      #!/bin/sh
      read -r line
      echo '#{@ready}'
      while [ ! -e '#{go}' ]; do sleep 0.05; done
      yes '12:00:00.000 [info] a line of the log' | head -c #{megabytes}000000
      echo said >'#{go}'
      exec sleep 60
      """)

      File.chmod!(Path.join(dir, "ssh"), 0o755)

      SshDevice.Client.with_path(dir <> ":" <> System.get_env("PATH"), fn ->
        command = Command.new(%{user: nil, host: "127.0.0.1", port: 1}, 5_000, [])
        {:ok, channel} = Channel.start(command, Path.join(dir, "log"))
        assert {:ok, ~c"<0.1.0>"} = Channel.ready(channel, 5_000)
        # All of it has arrived before any of it is read.
        :erlang.suspend_process(channel)
        File.write!(go, "")
        Until.until("all to be said", fn -> File.read!(go) == "said\n" end)
        :erlang.resume_process(channel)
        Channel.request(channel, 1, :call, {:erlang, :node, []})

        if lives? do
          Until.until("it to be read", fn -> elem(Channel.bytes(channel), 1) > 10_000_000 end)
          assert Channel.answer(channel, 1, 0) == {:error, {:timeout, 0}}
        else
          assert Channel.answer(channel, 1, 10_000) == {:error, :connection_lost}
        end

        Channel.close(channel)
      end)
    end
  end
end
