defmodule Hotpush.Test.NetnsTest do
  @moduledoc "Nothing of a namespace stays: no process, no cable, no mount."
  use ExUnit.Case

  alias Hotpush.Test.{Device, Leash, Netns, Run, Until}

  @moduletag :netns

  # The end of a namespace's cable that is here. Those of other tests come and go.
  defp cable?(gateway) do
    {:ok, address} = gateway |> to_charlist() |> :inet.parse_ipv4_address()
    {:ok, interfaces} = :inet.getifaddrs()
    Enum.any?(interfaces, fn {_name, about} -> {:addr, address} in about end)
  end

  # What has ended may wait for somebody to ask how.
  defp gone?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat |> String.split(") ") |> List.last() |> String.starts_with?("Z")
      {:error, _} -> true
    end
  end

  test "it announces, runs devices, and takes all of it along" do
    netns = Netns.start()
    assert cable?(netns.gateway)
    device = Device.start(netns: netns)
    assert to_string(device.node) =~ "@#{netns.host}"
    {nsenter, args} = Netns.inside(netns, "sh", ["-c", "cat /run/avahi-daemon/pid && ls /proc"])
    assert {_, 0} = System.cmd(nsenter, args)
    Netns.stop(netns)
    Until.until("the cable to go", fn -> not cable?(netns.gateway) end)
    Until.until("the namespace to end", fn -> gone?(netns.os_pid) end)
    Until.until("the device to end", fn -> not Device.alive?(device) end)
    refute File.exists?("/run/avahi-daemon/pid")
  end

  test "it ends with the process that started it" do
    me = self()

    {owner, monitor} =
      spawn_monitor(fn ->
        send(me, Netns.start())
        Process.sleep(:infinity)
      end)

    assert_receive %Netns{} = netns, 30_000
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    Until.until("the namespace to end", fn -> gone?(netns.os_pid) end)
  end

  test "it ends with the VM, however that ends" do
    out = Path.join(Run.dir("vm"), "out")

    code = """
    netns = Hotpush.Test.Netns.start()
    Hotpush.Test.Device.start(netns: netns)
    File.write!("#{out}.new", "\#{netns.os_pid} \#{netns.gateway}")
    File.rename!("#{out}.new", "#{out}")
    Process.sleep(:infinity)
    """

    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    args = paths ++ ["-e", code]
    port = Leash.open(System.find_executable("elixir"), args, out <> ".log", [])

    said =
      Until.until(
        "the other VM's namespace",
        fn -> File.exists?(out) and File.read!(out) end,
        60_000
      )

    [os_pid, gateway] = String.split(said)
    refute gone?(os_pid)
    assert cable?(gateway)
    # Its whole session, with SIGKILL.
    Leash.kill(port)
    Until.until("the namespace to end", fn -> gone?(os_pid) end)
    Until.until("the cable to go", fn -> not cable?(gateway) end)
  end
end
