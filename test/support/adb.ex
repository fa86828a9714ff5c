defmodule Hotpush.Test.Adb do
  @moduledoc """
  Real adb and real adbd: phones, each in a network namespace of its own, behind an adb server that
  belongs to this run. The developer's server, its port and its keys are not touched.

  A phone's adbd is reached over a cable. A node in its namespace listens on loopback, so it is reached
  only through adb's tunnels.
  """

  alias Hotpush.Test.{Leash, Netns, Ports, Run, Until}

  @unpacked Path.expand("../../_build/adbd", __DIR__)

  defmodule Phone do
    @moduledoc false
    defstruct [:serial, :netns]
  end

  @doc "Why phones cannot run on this machine, or `nil`."
  @spec missing() :: String.t() | nil
  def missing do
    cond do
      is_nil(System.find_executable("adb")) -> "adb is not installed"
      is_nil(adbd()) -> "adbd is not there; on Debian, bin/test unpacks it from backports"
      true -> Netns.missing([])
    end
  end

  @doc """
  Starts an adb server for this run, which ends with the calling process. This VM and the programs that it
  starts use it: otherwise, the first call of adb would start a server for the whole machine.
  """
  @spec server() :: :ok
  def server do
    if adb = System.find_executable("adb"), do: server(adb), else: :ok
  end

  defp server(adb) do
    port = Ports.free()
    System.put_env("ANDROID_ADB_SERVER_PORT", "#{port}")
    System.delete_env("ADB_SERVER_SOCKET")

    # It looks for no emulators, and has its own HOME for its keys.
    home = Run.dir("adb")
    own = [{"HOME", home}, {"ANDROID_SDK_HOME", home}, {"ANDROID_USER_HOME", home}]
    own = [{"ADB_LOCAL_TRANSPORT_MAX_PORT", "5554"} | own]
    Leash.open(adb, ["nodaemon", "server"], Path.join(home, "log"), own)
    Until.until("adb's server", fn -> listens?(port) end)
    :ok
  end

  defp listens?(port) do
    case :gen_tcp.connect({127, 0, 0, 1}, port, []) do
      {:ok, socket} -> :gen_tcp.close(socket) == :ok
      {:error, _} -> false
    end
  end

  # adbd runs until a file is removed.
  @run """
  while :; do
    while [ -e off ]; do sleep 0.02; done
    "$ADBD" &
    echo $! >adbd
    while [ ! -e off ]; do sleep 0.02; done
    kill -KILL $!
    wait $! || true
  done
  """

  @doc "A phone that is switched on and plugged in; it ends with the calling process."
  @spec phone() :: %Phone{}
  def phone do
    run = "export ADBD='#{adbd()}' LD_LIBRARY_PATH='#{libraries()}'\n" <> @run
    netns = Netns.start(run: run, ready: "adbd started")
    phone = %Phone{serial: "#{netns.address}:5555", netns: netns}
    plug(phone)
    phone
  end

  @doc "Runs adb, and returns its output."
  @spec adb([String.t()]) :: String.t()
  def adb(args) do
    {output, _} = System.cmd("timeout", ["30", "adb" | args], stderr_to_stdout: true)
    output
  end

  @doc "Ends its adbd; returns when adb says that it is offline."
  @spec off(%Phone{}) :: :ok
  def off(phone) do
    File.write!(Path.join(phone.netns.dir, "off"), "")
    Until.until("#{phone.serial} to be offline", fn -> state(phone) == "offline" end)
    :ok
  end

  @doc "Freezes its adbd, which keeps its connections and does not answer."
  @spec freeze(%Phone{}) :: :ok
  def freeze(%Phone{netns: netns}) do
    script = "kill -s STOP $(cat '#{netns.dir}/adbd')"
    {command, args} = Netns.inside(netns, "sh", ["-c", script])
    {_, 0} = System.cmd(command, args)
    :ok
  end

  @doc "Starts its adbd again; returns when adb can talk to it."
  @spec on(%Phone{}) :: :ok
  def on(phone) do
    File.rm!(Path.join(phone.netns.dir, "off"))
    adb(["disconnect", phone.serial])
    plug(phone)
  end

  defp plug(phone) do
    Until.until("adb to know #{phone.serial}", fn ->
      if state(phone) != "device", do: adb(["connect", phone.serial])
      state(phone) == "device"
    end)

    :ok
  end

  defp state(phone) do
    case Regex.run(~r/^#{Regex.escape(phone.serial)}\s+(\w+)/m, adb(["devices"])) do
      [_, state] -> state
      nil -> nil
    end
  end

  defp adbd do
    Enum.find(
      [
        System.get_env("HOTPUSH_ADBD"),
        System.find_executable("adbd"),
        "/usr/sbin/adbd",
        Path.join(@unpacked, "usr/sbin/adbd")
      ],
      &(&1 && File.exists?(&1))
    )
  end

  # It expects its libraries where they would be installed.
  defp libraries do
    for dir <- ~w(android .),
        multiarch <- Path.wildcard(Path.join(@unpacked, "usr/lib/*-linux-*")) do
      Path.join(multiarch, dir)
    end
    |> Enum.join(":")
  end
end
