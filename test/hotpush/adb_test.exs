defmodule Hotpush.AdbTest do
  @moduledoc "What adb prints, how Hotpush reads it, and an adb that is missing or hangs."
  use ExUnit.Case, async: false

  alias Hotpush.Transport.Adb.Tunnel
  alias Hotpush.Transport.Adb.Devices
  alias Hotpush.Transport.Adb.{Command, Device}
  alias Hotpush.Error
  alias Hotpush.Test.{Run, Until}

  doctest Hotpush.Transport.Adb.Devices
  doctest Hotpush.Transport.Adb.Device
  doctest Hotpush.Transport.Adb.Forward
  doctest Hotpush.Transport.Adb.Origin

  # Samples in the form that adb's documentation and its source (transport.cpp) give. The end-to-end tests
  # use real adb and adbd.
  @sample """
  * daemon not running; starting now at tcp:5037
  * daemon started successfully
  List of devices attached
  R5CT10ABCDE            device usb:1-2 product:o1s model:SM_G991B device:o1s transport_id:4
  R5XX                   unauthorized usb:1-3 transport_id:5
  10.0.0.7:5555          offline transport_id:6
  emulator-5554          device product:sdk model:Pixel_7 device:emu64 transport_id:7
  ????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:8
  0123                   no permissions; see [http://developer.android.com/tools/device.html]
  REC1                   recovery usb:1-5 product:x model:X device:x transport_id:9
  SIDE                   sideload usb:1-6
  adb-9 (2)._adb-tls-connect._tcp device product:p model:P device:p transport_id:10
  NEW1                   dreaming usb:1-7

  """

  test "every state, and the model if adb names it" do
    assert Enum.map(Device.parse(@sample), &{&1.serial, &1.state, &1.model}) == [
             {"R5CT10ABCDE", :device, "SM G991B"},
             {"R5XX", :unauthorized, nil},
             {"10.0.0.7:5555", :offline, nil},
             {"emulator-5554", :device, "Pixel 7"},
             {"????????????", :no_permissions, nil},
             {"0123", :no_permissions, nil},
             {"REC1", :recovery, "X"},
             {"SIDE", :sideload, nil},
             {"adb-9 (2)._adb-tls-connect._tcp", :device, "P"},
             {"NEW1", "dreaming", nil}
           ]

    assert Device.parse("error: could not install smartsocket listener\n") == []
    assert Device.parse("List of devices attached\r\nR5\tdevice\r\n\r\n") |> length() == 1
  end

  defp sentence({:error, error}), do: Error.message(error)

  test "a prefix names one device, or the error says why it does not" do
    devices = Device.parse(@sample)
    assert {:ok, %{serial: "R5CT10ABCDE"}} = Devices.find("R5C", devices)
    # One serial number may be the beginning of another.
    assert {:ok, %{serial: "R5"}} = Devices.find("R5", [%Device{serial: "R5"} | devices])

    both = sentence(Devices.find("R5", devices))
    assert both =~ "R5 is the beginning of several serial numbers: R5CT10ABCDE, R5XX."

    near = sentence(Devices.find("R5CT10ABCDF", devices))
    assert near =~ "Did you mean R5CT10ABCDE? It knows "
    assert near =~ "emulator-5554"
    far = sentence(Devices.find("zzz", devices))
    refute far =~ "Did you mean"

    assert far =~
             "zzz: adb knows no device whose serial number begins like this. It knows 0123, 10.0.0.7:5555"

    assert sentence(Devices.find("R5", [])) =~ "Plug the device in and allow USB debugging"
  end

  test "each state but one has a next step" do
    steps =
      for device <- Device.parse(@sample),
          {:error, error} <- [Devices.usable(device)],
          into: %{} do
        {device.state, Error.message(error)}
      end

    assert steps[:offline] =~ "10.0.0.7:5555 is offline for adb. Unplug it"
    assert steps[:unauthorized] =~ "\"Allow USB debugging?\""
    assert steps[:no_permissions] =~ "udev rules"
    assert steps[:recovery] =~ "adb -s REC1 reboot"
    assert steps["dreaming"] =~ "state \"dreaming\""
    refute Map.has_key?(steps, :device)
  end

  defp with_path(path) do
    before = System.get_env("PATH")
    on_exit(fn -> System.put_env("PATH", before) end)
    System.put_env("PATH", path)
    before
  end

  defp fake_adb(script) do
    dir = Run.dir("adb")
    adb = Path.join(dir, "adb")
    File.write!(adb, "#!/bin/sh\n" <> script)
    File.chmod!(adb, 0o755)
    before = System.get_env("PATH")
    with_path(dir <> ":" <> before)
    dir
  end

  test "adb is not installed" do
    with_path(Run.dir("empty"))
    assert {:error, %Error{reason: :adb_missing} = error} = Devices.devices()
    assert Error.message(error) =~ "adb is not installed"
    assert {:error, ^error} = Hotpush.Discovery.Adb.discover(timeout: 1_000)

    # This is an error only if adb was asked for, or if a device is reached through it.
    missing = fn options ->
      {_found, errors} = Hotpush.Discovery.Search.all([timeout: 2_000] ++ options)
      Enum.any?(errors, &(&1.reason == :adb_missing))
    end

    assert {false, true, true} == {missing.([]), missing.(only: [:adb]), missing.(needed: [:adb])}

    # A device that is named by its serial number needs adb.
    assert {:error, error} = Tunnel.open("R5CT")
    assert Error.message(error) =~ "R5CT needs adb to be reached, but adb is not installed"
  end

  test "an adb that hangs is killed" do
    dir = fake_adb("echo $$ >$(dirname $0)/pid\nexec sleep 600\n")
    assert {:error, %Error{reason: {:adb_timeout, 300}} = error} = Devices.devices(300)
    assert Error.message(error) =~ "adb did not answer within 300 ms"
    pid = Path.join(dir, "pid") |> File.read!() |> String.trim()
    Until.until("adb to be gone", fn -> not File.exists?("/proc/#{pid}") end)
    refute_received _
  end

  test "other output of adb is not part of the list of devices" do
    fake_adb("""
    echo 'adb: /lib/libc.so: no version information available' >&2
    echo 'List of devices attached'
    echo 'this client device is a wrapper' >&2
    echo 'R5CT device usb:1-1 model:Pixel_7'
    """)

    assert {:ok, [%{serial: "R5CT"}]} = Devices.devices()
    fake_adb("echo 'adb: error: no such thing' >&2\nexit 1\n")
    assert {:error, %{reason: {:adb_failed, "no such thing"}}} = Devices.devices()
  end

  test "a complaint of adb is shown on one line" do
    fake_adb("echo '* daemon started *'\necho 'adb: error: no such thing' >&2\nexit 1\n")
    assert {:error, error} = Command.run(["devices"], "R5", 5_000)
    assert error.reason == {:adb_failed, "no such thing"}
    assert Error.message(error) =~ ~s(R5: adb says "no such thing".)
  end
end
