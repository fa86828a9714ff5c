defmodule Hotpush.Transport.Ssh.ChannelTest do
  @moduledoc "An ssh that ends while it is written to is told by its own words, not as a fault."
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Run, SshDevice, Until}
  alias Hotpush.Transport.Ssh.{Channel, Command}

  # Says why, takes no more input, and ends only later.
  @ssh """
  #!/bin/sh
  echo "ssh: connect to host 127.0.0.1 port 1: Connection refused" >&2
  exec 0<&-
  echo closed >"$(dirname "$0")/closed"
  sleep 1
  exit 255
  """

  test "what it said is there, though its input broke first" do
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
end
