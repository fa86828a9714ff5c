defmodule Hotpush.Test.SshDevice do
  @moduledoc """
  A stock Nerves device, which is a VM that is not a node and is reached only by ssh, and a developer's
  `ssh` that knows its host key.

  Its field `device` is a `Hotpush.Test.Device`, with which a test inspects it: `Device.call/4`, `eval/3`,
  `log/1`, `freeze/1`, `kill/1`, `stop/1`. It ends with the process that started it. See
  `Hotpush.Test.SshDevice.Firmware` for the device's side, and `Hotpush.Test.SshDevice.Client` for the
  developer's.
  """

  alias Hotpush.Test.{Device, Link, Ports, Run}
  alias Hotpush.Test.SshDevice.{Client, Firmware}

  defstruct [
    :device,
    :user,
    :host,
    :port,
    :ssh_port,
    :link,
    :names,
    :firmware,
    :dir,
    :config,
    :known_hosts,
    :key,
    :stranger_key,
    :bin_dir
  ]

  @type t :: %__MODULE__{
          device: Device.t(),
          user: String.t(),
          host: String.t(),
          port: :inet.port_number(),
          ssh_port: :inet.port_number(),
          link: Link.t() | nil,
          names: [String.t()],
          firmware: map,
          dir: Path.t(),
          config: Path.t(),
          known_hosts: Path.t(),
          key: Path.t(),
          stranger_key: Path.t(),
          bin_dir: Path.t()
        }

  # Only loopback, on an IPv6 socket, which also accepts connections to 127.0.0.1.
  @loopback {0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1}

  @doc """
  Starts a device and waits until it accepts connections. It accepts the key `key`, and `known_hosts` has
  its host key.

    * `release:`, `code_paths:`, `mode:`, `apps:`, `cpu:`, `args:`, `env:`, `erl:` - as for
      `Hotpush.Test.Device.start/1`; a release must have `:ssh` among its applications
    * `exec:` - `:elixir` (default), `:erlang`, `:shell`, `:lfe_like` or `:disabled`
    * `banner:` - a line that the device prints before it evaluates anything
    * `link:` - round trip in ms of a link; `port` is then the link's
    * `names:` - host names that lead to the device without a port, `["nerves.local"]`
    * `user:` - `"root"` by default
    * `passwords:` - `[{user, password}]` that it accepts; none by default
    * `ip:` - where it listens, an IPv6 address; `port:` - a free one by default
  """
  @spec start(keyword) :: t
  def start(opts \\ []) do
    {ours, opts} =
      Keyword.split(opts, [:exec, :banner, :link, :names, :user, :passwords, :ip, :port])

    device = opts |> with_ssh() |> Device.start()
    dir = Run.dir("ssh")
    File.mkdir_p!(Path.join(dir, "user"))
    Client.key(Path.join(dir, "ssh_host_ed25519_key"))
    key = Client.key(Path.join(dir, "id_device"))

    firmware = %{
      ports: if(port = ours[:port], do: [port], else: Ports.candidates()),
      ip: Keyword.get(ours, :ip, @loopback),
      system_dir: dir,
      user_dir: Path.join(dir, "user"),
      authorized: [File.read!(key <> ".pub")],
      passwords: Keyword.get(ours, :passwords, []),
      exec: Keyword.get(ours, :exec, :elixir),
      banner: ours[:banner]
    }

    ssh_port = boot(device, firmware)
    link = ours[:link] && link(ssh_port, ours[:link])

    %__MODULE__{
      device: device,
      user: Keyword.get(ours, :user, "root"),
      host: "127.0.0.1",
      port: if(link, do: elem(link.listen, 1), else: ssh_port),
      ssh_port: ssh_port,
      link: link,
      names: Keyword.get(ours, :names, []),
      firmware: %{firmware | ports: [ssh_port]},
      dir: dir,
      config: Path.join(dir, "config"),
      known_hosts: Path.join(dir, "known_hosts"),
      key: key,
      stranger_key: Client.key(Path.join(dir, "id_stranger"))
    }
    |> with_client()
  end

  @applications [:asn1, :crypto, :iex, :public_key, :ssh]

  # A release has its own code paths.
  defp with_ssh(opts) do
    opts = Keyword.put(opts, :distribution, false)

    if opts[:release] do
      opts
    else
      paths = for app <- @applications, do: app |> :code.lib_dir() |> Path.join("ebin")
      Keyword.update(opts, :code_paths, paths, &(paths ++ &1))
    end
  end

  # The modules belong to no application of the device, as if they were linked into its firmware.
  defp boot(device, firmware) do
    for app <- [:ssh, :iex], do: {:ok, _} = ensure_started(device, app)

    for module <- [Ports, Firmware] do
      {module, beam, file} = :code.get_object_code(module)
      {:module, _} = Device.call(device, :code, :load_binary, [module, file, beam])
    end

    Device.call(device, Firmware, :start, [firmware])
  end

  defp ensure_started(device, app),
    do: Device.call(device, :application, :ensure_all_started, [app])

  defp link(port, rtt),
    do: Link.start(listen: {{127, 0, 0, 1}, 0}, to: {{127, 0, 0, 1}, port}, rtt: rtt)

  defp with_client(device) do
    device = %{device | bin_dir: Client.program([party(device)])}
    use_key(device)
    trust_host_key(device)
    device
  end

  defp party(device), do: {device.names, device.port, device.config}

  @doc "How a developer names the device: `root@127.0.0.1:40022`."
  @spec address(t) :: String.t()
  def address(device), do: "#{device.user}@#{device.host}:#{device.port}"

  @doc """
  The environment for a command that is to use the `ssh` that knows the device, or several devices.
  """
  @spec env(t | [t]) :: %{String.t() => String.t()}
  def env(devices), do: %{"PATH" => program(devices) <> ":" <> System.get_env("PATH")}

  defp program(%__MODULE__{} = device), do: device.bin_dir
  defp program(devices), do: devices |> Enum.map(&party/1) |> Client.program()

  @doc "The path of the device's `ssh`."
  @spec program_path(t) :: Path.t()
  def program_path(device), do: Path.join(device.bin_dir, "ssh")

  @doc """
  Calls `fun` while this VM's PATH is that of `env/1`; one at a time.
  """
  @spec with_path(t | [t], (() -> value)) :: value when value: term
  def with_path(devices, fun) do
    Client.with_path(env(devices)["PATH"], fun)
  end

  @doc """
  Runs the device's `ssh` with `args` after the host. Returns its output, including standard error, and its
  exit status (137 after a minute).

  `options:` are the arguments before the host; `input:` is its standard input, empty by default.
  """
  @spec ssh(t, [String.t()], keyword) :: {String.t(), non_neg_integer}
  def ssh(device, args, opts \\ []) do
    host = ["-p", "#{device.port}", "--", "#{device.user}@#{device.host}"]
    args = Keyword.get(opts, :options, []) ++ host ++ args
    Client.run(program_path(device), args, Keyword.get(opts, :input, ""))
  end

  @doc "Reboots the device, with the same port, host key and firmware. Returns the new one."
  @spec restart(t) :: t
  def restart(device) do
    again = Device.restart(device.device)
    boot(again, device.firmware)
    %{device | device: again}
  end

  @doc "The developer knows the device's host key, as at the start."
  @spec trust_host_key(t) :: :ok
  def trust_host_key(device), do: trust(device, "ssh_host_ed25519_key.pub")

  @doc "The developer does not know the device's host key."
  @spec forget_host_key(t) :: :ok
  def forget_host_key(device), do: File.write!(device.known_hosts, "")

  @doc "The developer knows another host key for the device, as after new hardware."
  @spec change_host_key(t) :: :ok
  def change_host_key(device), do: trust(device, "id_stranger.pub")

  defp trust(device, public),
    do: Client.trust(device.known_hosts, Path.join(device.dir, public), device.port)

  @doc "The developer has the key that the device accepts, as at the start."
  @spec use_key(t) :: :ok
  def use_key(device), do: Client.configure(device.config, device.known_hosts, device.key)

  @doc "The developer has a key that the device does not accept."
  @spec use_wrong_key(t) :: :ok
  def use_wrong_key(device),
    do: Client.configure(device.config, device.known_hosts, device.stranger_key)

  @doc "The developer has no key, so that ssh asks for a password."
  @spec password_only(t) :: :ok
  def password_only(device), do: Client.configure(device.config, device.known_hosts, nil)
end
