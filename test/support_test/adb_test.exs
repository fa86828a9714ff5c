defmodule Hotpush.Test.AdbTest do
  @moduledoc "What the tests of adb start ends with them, however they end."
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Adb, Until}

  @moduletag :adb

  # A VM of its own that has an adb server and a phone, and says by what they are known.
  @vm """
  Hotpush.Test.Adb.server()
  phone = Hotpush.Test.Adb.phone()
  port = System.get_env("ANDROID_ADB_SERVER_PORT")
  IO.puts("ready \#{System.pid()} \#{port} \#{phone.netns.os_pid} \#{phone.netns.gateway}")
  Process.sleep(:infinity)
  """

  test "a VM that is killed leaves no adb server, no adbd and no network behind" do
    ebin = Path.join(:code.lib_dir(:hotpush), "ebin")
    elixir = System.find_executable("elixir")
    options = [:binary, :exit_status, line: 1_000, args: ["-pa", ebin, "-e", @vm]]
    port = Port.open({:spawn_executable, elixir}, options)
    assert_receive {^port, {:data, {:eol, "ready " <> line}}}, 60_000
    [vm, server, netns, gateway] = String.split(line)
    assert listens?(server)
    assert File.exists?("/proc/#{netns}")
    assert gateway in addresses()

    {_, 0} = System.cmd("sh", ["-c", "kill -s KILL #{vm}"])
    Until.until("adb's server to be gone", fn -> not listens?(server) end)
    Until.until("the namespace to be gone", fn -> not File.exists?("/proc/#{netns}") end)
    Until.until("its cable to be gone", fn -> gateway not in addresses() end)
  end

  test "this VM and what it starts have an adb server of their own" do
    port = System.get_env("ANDROID_ADB_SERVER_PORT")
    assert port != nil and port != "5037"
    assert listens?(port)
    phone = Adb.phone()
    assert Adb.adb(["devices"]) =~ phone.serial
  end

  defp listens?(port) do
    case :gen_tcp.connect({127, 0, 0, 1}, String.to_integer(port), []) do
      {:ok, socket} -> :gen_tcp.close(socket) == :ok
      {:error, _} -> false
    end
  end

  defp addresses do
    {:ok, interfaces} = :inet.getifaddrs()

    for {_, options} <- interfaces,
        {:addr, address} <- options,
        do: to_string(:inet.ntoa(address))
  end
end
