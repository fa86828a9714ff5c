defmodule Hotpush.Test.DeviceTest do
  @moduledoc """
  Devices for tests. Without it, a test could pass on a device that is none, and leave it running.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Device, Epmd, Run, Until}

  defp exists?(os_pid), do: File.exists?("/proc/#{os_pid}")
  defp registered?(device), do: hd(String.split(to_string(device.node), "@")) in Epmd.names()

  test "is a node of its own in another OS process, and looking leaves nothing there" do
    device = Device.start()
    assert Device.call(device, :erlang, :node, []) == device.node
    assert Device.eval(device, "System.pid()") == to_string(device.os_pid)
    assert Device.call(device, :erlang, :nodes, [[:visible, :hidden]]) == []
    assert registered?(device)

    Device.stop(device)
    refute exists?(device.os_pid)
    Until.until("epmd to forget it", fn -> not registered?(device) end)
  end

  test "can be pure Erlang, and says what it raises" do
    device = Device.start(erlang_only: true)
    assert Device.call(device, :code, :which, [Enum]) == :non_existing
    assert_raise ArithmeticError, fn -> Device.call(device, :erlang, :+, [1, :a]) end
  end

  test "can be embedded without a release" do
    ebin = Run.dir("ebin")
    {:ok, module, beam} = :compile.forms(forms(), [])
    File.write!(Path.join(ebin, "#{module}.beam"), beam)
    device = Device.start(mode: :embedded, code_paths: [ebin])
    assert Device.call(device, :code, :get_mode, []) == :embedded
    assert Device.call(device, module, :answer, []) == 42
  end

  defp forms do
    [
      {:attribute, 1, :module, :bed_sample},
      {:attribute, 1, :export, [answer: 0]},
      {:function, 1, :answer, 0, [{:clause, 1, [], [], [{:integer, 1, 42}]}]}
    ]
  end

  test "may have a short name" do
    device = Device.start(names: :short)
    assert Device.call(device, :net_kernel, :longnames, []) == false
  end

  test "is reached over its link alone when it has one" do
    device = Device.start(link: 0)
    assert device.node |> to_string() |> String.ends_with?("@127.0.0.2")
    options = [:binary, active: false]
    assert {:ok, _} = :gen_tcp.connect({127, 0, 0, 2}, device.dist_port, options)
    Hotpush.Test.Link.refuse(device.link)
    assert {:error, :econnrefused} = :gen_tcp.connect({127, 0, 0, 2}, device.dist_port, options)
  end

  test "reboots with the same name, and forgets" do
    device = Device.start(link: 0)
    :ok = Device.call(device, :application, :set_env, [:kernel, :bed, :kept])
    again = Device.restart(device)
    assert {again.node, again.dist_port} == {device.node, device.dist_port}
    assert Device.call(again, :application, :get_env, [:kernel, :bed]) == :undefined
    refute exists?(device.os_pid)
  end

  test "is down after a power loss" do
    device = Device.start()
    Device.kill(device)
    refute Device.alive?(device)
    refute exists?(device.os_pid)
  end

  test "freezes and thaws" do
    device = Device.start()
    Device.freeze(device)
    assert {:timeout, _} = catch_exit(Device.call(device, :erlang, :node, [], 100))
    Device.thaw(device)
    assert Device.alive?(device)
  end

  @tag :perl
  test "gets a share of a core" do
    device = Device.start(cpu: 0.2)
    Device.spawn(device, "Stream.run(Stream.cycle([1]))")
    goal = cpu_seconds(device.os_pid) + 0.3

    {us, _} =
      :timer.tc(fn ->
        Until.until("0.3 s of work", fn -> cpu_seconds(device.os_pid) >= goal end)
      end)

    assert us > 900_000
  end

  defp cpu_seconds(os_pid) do
    [_, fields] = String.split(File.read!("/proc/#{os_pid}/stat"), ") ", parts: 2)
    fields = String.split(fields)
    ticks = String.to_integer(Enum.at(fields, 11)) + String.to_integer(Enum.at(fields, 12))
    ticks / 100
  end

  test "ends with the process that started it" do
    test = self()

    {owner, ref} =
      spawn_monitor(fn ->
        send(test, {:device, Device.start()})
        receive do: (:end -> :ok)
      end)

    assert_receive {:device, device}, 30_000
    send(owner, :end)
    assert_receive {:DOWN, ^ref, _, _, _}
    Until.until("the device to end", fn -> not exists?(device.os_pid) end)
  end

  test "ends with a test VM that is killed, and the run's folder goes" do
    code = """
    device = Hotpush.Test.Device.start(cpu: 0.5)
    IO.puts("device " <> to_string(device.os_pid) <> " " <> Hotpush.Test.Run.root())
    System.cmd("sh", ["-c", "kill -s KILL \#{System.pid()}"])
    """

    paths = Enum.flat_map([ebin(Device)], &["-pa", &1])
    {output, 137} = System.cmd("elixir", paths ++ ["-e", code], stderr_to_stdout: true)
    [_, os_pid, root] = Regex.run(~r/device (\d+) (\S+)/, output)
    Until.until("the device to end", fn -> not exists?(os_pid) end)
    Until.until("the folder to go", fn -> not File.exists?(root) end)
  end

  defp ebin(module), do: module |> :code.which() |> to_string() |> Path.dirname()

  test "that does not start is an error with its log" do
    error = assert_raise RuntimeError, fn -> Device.start(args: ["-eval", "no_such:call()."]) end
    assert error.message =~ "no_such"
  end
end
