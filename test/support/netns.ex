defmodule Hotpush.Test.Netns do
  @moduledoc """
  A small computer next to this one: a network namespace with its own address at the other end of a
  cable (a veth pair). In it, a real avahi-daemon announces what a Nerves device announces, or another
  daemon runs.

  It is a process tree on a leash, with its own PID namespace: when its first process ends, for whatever
  reason, the kernel ends the others, and removes the mounts and the cable.
  Nothing in `/var/run/netns` is used.
  """

  use GenServer

  alias Hotpush.Test.{Leash, Run, Until}

  defstruct [:server, :os_pid, :host, :address, :gateway, :log, :dir]

  @type t :: %__MODULE__{
          server: pid,
          os_pid: pos_integer,
          host: String.t(),
          address: String.t(),
          gateway: String.t(),
          log: Path.t(),
          dir: Path.t()
        }

  @programs ~w(ip unshare nsenter mount)
  @services ["_epmd._tcp": 4369, "_ssh._tcp": 22, "_sftp-ssh._tcp": 22]

  # The first process inside. /proc is still the outer one, so `pid` is its process id there.
  @script """
  set -e
  PATH=$PATH:/usr/sbin:/sbin
  dir=$1 address=$2 run=$3
  ip link set lo up
  read -r pid _ </proc/self/stat
  echo "$pid" >"$dir/pid.new"
  mv "$dir/pid.new" "$dir/pid"
  until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
  ip address add "$address/30" dev eth0
  ip link set eth0 up
  cd "$dir"
  eval "$run"
  """

  @avahi """
  mount -t tmpfs none /run
  mount -t tmpfs none /etc/avahi
  mkdir /run/avahi-daemon /etc/avahi/services
  cp hotpush.service /etc/avahi/services
  avahi-daemon --no-drop-root --no-chroot --no-rlimits --file "$PWD/avahi.conf" &
  wait $!
  """

  @doc "Why there can be no namespace with such `programs` on this machine, or `nil`."
  @spec missing([String.t()]) :: String.t() | nil
  def missing(programs \\ ["avahi-daemon"]) do
    case Enum.reject(@programs ++ programs, &path/1) do
      [] -> forbidden()
      missing -> "not installed: #{Enum.join(missing, ", ")}"
    end
  end

  # Only root can create a cable, and containers may forbid it even to root.
  defp forbidden do
    name = interface()
    try_it = "ip link add #{name} type veth peer name #{name}p && ip link del #{name}"
    command = "PATH=$PATH:/usr/sbin:/sbin; unshare --net --mount --pid --fork true && #{try_it}"

    case System.cmd("sh", ["-c", command], stderr_to_stdout: true) do
      {_, 0} -> nil
      {said, _} -> "network namespaces are forbidden here: #{String.trim(said)}"
    end
  end

  @doc """
  Starts a namespace, which ends with the calling process.

    * `host:` - its name without `.local`; a random one by default
    * `services:` - `["_ssh._tcp": port]`; by default those of a Nerves device
    * `run:` - a shell script that runs there instead of avahi, and `ready:`, what it writes when it is
      ready
  """
  @spec start(keyword) :: t
  def start(opts \\ []) do
    {:ok, server} = GenServer.start(__MODULE__, {opts, self()}, timeout: 30_000)
    %{GenServer.call(server, :info) | server: server}
  end

  @doc "Unplugs and ends it; returns when it is gone."
  @spec stop(t) :: :ok
  def stop(netns), do: GenServer.stop(netns.server, :normal, 30_000)

  @doc "The command line that runs a command inside; with `[\"--net\"]`, only in its network."
  @spec inside(t, String.t(), [String.t()], [String.t()]) :: {String.t(), [String.t()]}
  def inside(netns, command, args, spaces \\ ~w(--net --mount --pid)) do
    {path("nsenter"), spaces ++ ~w(--target #{netns.os_pid} --) ++ [command | args]}
  end

  @impl true
  def init({opts, owner}) do
    Process.flag(:trap_exit, true)
    Process.monitor(owner)
    name = opts[:host] || "nerves-#{Base.encode16(:rand.bytes(3), case: :lower)}"
    dir = Run.dir("netns")
    {gateway, address} = addresses()
    log = Path.join(dir, "log")
    File.write!(Path.join(dir, "avahi.conf"), configuration(name))
    services = Keyword.get(opts, :services, @services)
    File.write!(Path.join(dir, "hotpush.service"), service_file(name, services))
    fresh = ~w(--net --mount --pid --fork --kill-child)
    args = fresh ++ ["sh", "-c", @script, "netns", dir, address, opts[:run] || @avahi]
    port = Leash.open(path("unshare"), args, log, [])

    netns = %__MODULE__{
      host: name <> ".local",
      address: address,
      gateway: gateway,
      log: log,
      dir: dir
    }

    netns = %{netns | os_pid: os_pid(netns)}
    plug(netns, opts[:ready] || "Server startup complete")
    {:ok, {port, netns}}
  end

  defp os_pid(netns) do
    Until.until("the namespace of #{netns.host}", fn ->
      with {:ok, text} <- File.read(Path.join(netns.dir, "pid")),
           do: text |> String.trim() |> String.to_integer(),
           else: (_ -> nil)
    end)
  end

  defp plug(netns, ready) do
    name = interface()
    ip!(~w(link add #{name} type veth peer name eth0 netns #{netns.os_pid}))
    ip!(~w(address add #{netns.gateway}/30 dev #{name}))
    ip!(~w(link set #{name} up))

    Until.until("#{netns.host} to say: #{ready}", fn -> File.read!(netns.log) =~ ready end)
  end

  @impl true
  def handle_call(:info, _from, {port, netns}), do: {:reply, netns, {port, netns}}

  @impl true
  def handle_info({port, {:exit_status, _}}, {port, netns}), do: {:stop, :normal, {nil, netns}}
  def handle_info({:DOWN, _, :process, _, _}, state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, {port, _}), do: if(port && Port.info(port), do: Leash.kill(port))

  # At most 15 bytes (IFNAMSIZ).
  defp interface, do: "hp" <> Base.encode16(:rand.bytes(5), case: :lower)

  # Four of the addresses for tests between networks (RFC 2544): 198.18.0.0/15.
  defp addresses do
    <<_::6, low::10, third::6, _::2>> = :rand.bytes(3)
    prefix = "198.#{18 + rem(low, 2)}.#{div(low, 4)}."
    {prefix <> "#{third * 4 + 1}", prefix <> "#{third * 4 + 2}"}
  end

  defp ip!(args) do
    case System.cmd(path("ip"), args, stderr_to_stdout: true) do
      {_, 0} -> :ok
      {said, _} -> raise "ip #{Enum.join(args, " ")}: #{said}"
    end
  end

  # A user's PATH may lack the folders of such programs.
  defp path(program) do
    System.find_executable(program) ||
      Enum.find(for(dir <- ~w(/usr/sbin /sbin), do: Path.join(dir, program)), &File.exists?/1)
  end

  defp configuration(name) do
    """
    [server]
    host-name=#{name}
    use-ipv4=yes
    use-ipv6=yes
    allow-interfaces=eth0
    enable-dbus=no
    [publish]
    publish-hinfo=no
    publish-workstation=no
    """
  end

  defp service_file(name, services) do
    entries =
      for {type, port} <- services,
          do: "<service><type>#{type}</type><port>#{port}</port></service>"

    """
    <?xml version="1.0" standalone='no'?>
    <!DOCTYPE service-group SYSTEM "avahi-service.dtd">
    <service-group><name>#{name}</name>#{entries}</service-group>
    """
  end
end
