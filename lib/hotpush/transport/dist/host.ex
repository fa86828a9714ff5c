defmodule Hotpush.Transport.Dist.Host do
  @moduledoc """
  Starts this host's own node (`Hotpush.Transport.Dist.Owner` decides when). Its name is random for each
  project, but kept, since every new name leaves an atom on the device.

  Concurrent runs need different names, so there are a few slots. A VM has a slot as long as it holds a
  UDP port on loopback, which the system frees when the VM ends in any way.
  """

  alias Hotpush.Error
  alias Hotpush.Transport.Dist.Tls

  @slots 8
  # Below the ports that systems assign (Linux from 32768, others from 49152).
  @first_port 20_000
  @ports 12_000
  @gone_ms 2_000

  @type slot :: port() | :no_slot

  @doc "Makes this VM a node in the name domain of `node`. Returns its slot, for `stop/1`."
  @spec start(node(), Path.t()) :: {:ok, slot()} | {:error, Error.t()}
  def start(node, state_dir) do
    case if(Tls.used?(), do: Tls.ready(), else: :ok) do
      :ok -> start_plain(node, state_dir)
      {:error, reason} -> {:error, Error.new(:connect, node, reason)}
    end
  end

  @doc "Stops this VM's node, and frees its slot."
  @spec stop(slot()) :: :ok
  def stop(slot) do
    _ = :net_kernel.stop()
    if is_port(slot), do: :gen_udp.close(slot)
    wait(@gone_ms)
  end

  # If there were connections, the emulator releases the name some milliseconds later.
  defp wait(left) do
    if Node.alive?() and left > 0 do
      receive do
      after
        1 -> wait(left - 1)
      end
    else
      :ok
    end
  end

  @doc "Whether a VM that is a node can talk to `node`."
  @spec same_domain(node()) :: :ok | {:error, Error.t()}
  def same_domain(node) do
    ours = if :net_kernel.longnames() == true, do: :longnames, else: :shortnames

    if domain(node) == ours,
      do: :ok,
      else: {:error, Error.new(:connect, node, {:name_domain, domain(node)})}
  end

  @doc "`:longnames` if the host part has a dot or is an IPv6 address, as in OTP."
  @spec domain(node()) :: :longnames | :shortnames
  def domain(node) do
    [_, host] = String.split(to_string(node), "@", parts: 2)
    if host =~ ~r/[.:]/, do: :longnames, else: :shortnames
  end

  @doc "The UDP port on loopback that stands for a slot of the name `token`."
  @spec slot_port(String.t(), non_neg_integer()) :: :inet.port_number()
  def slot_port(token, slot), do: @first_port + rem(:erlang.phash2(token), @ports) + slot

  defp start_plain(node, state_dir) do
    {name, socket} = slot(state_dir)
    domain = domain(node)
    host = if domain == :longnames, do: "127.0.0.1", else: "localhost"
    # The node is hidden, does not listen, and needs no epmd.
    options = %{name_domain: domain, dist_listen: false, hidden: true}

    case quietly(fn -> :net_kernel.start(:"#{name}@#{host}", options) end) do
      {:ok, _} ->
        # A slot is taken as long as the node lives, not the process that started it.
        if is_port(socket), do: :gen_udp.controlling_process(socket, Process.whereis(:net_kernel))
        {:ok, socket}

      {:error, reason} ->
        if is_port(socket), do: :gen_udp.close(socket)
        {:error, Error.new(:connect, node, why(reason))}
    end
  end

  # A failure is reported in a sentence; the kernel would also log its supervisor's report.
  defp quietly(fun) do
    {:group_leader, kernel} = Process.info(Process.whereis(:kernel_sup), :group_leader)
    :logger.add_primary_filter(__MODULE__, {&__MODULE__.hush/2, {kernel, self()}})

    try do
      fun.()
    after
      :logger.remove_primary_filter(__MODULE__)
    end
  end

  @doc """
  A filter of the logger that stops only reports of the kernel application about itself, as long as the
  process that asked for it lives.
  """
  @spec hush(:logger.log_event(), {kernel :: pid(), pid()}) :: :stop | :ignore
  def hush(%{meta: %{gl: kernel}}, {kernel, asked}),
    do: if(Process.alive?(asked), do: :stop, else: :ignore)

  def hush(_event, _), do: :ignore

  defp why(reason) do
    home = System.get_env("HOME")
    optfile = find(reason, :bad_ssl_dist_optfile)

    cond do
      optfile -> {:tls, :optfile, to_string(optfile)}
      home in [nil, ""] or not writable?(home) -> :no_home
      true -> {:not_started, "net_kernel says #{inspect(reason, limit: 5, printable_limit: 100)}"}
    end
  end

  # Deep inside the supervisors' reports. Since OTP 29 it is the path, before that, a list of it.
  defp find({key, [[_ | _] = path | _]}, key), do: path
  defp find({key, path}, key), do: path
  defp find(tuple, key) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> find(key)
  defp find([head | tail], key), do: find(head, key) || find(tail, key)
  defp find(_, _key), do: nil

  defp writable?(dir) do
    case File.stat(dir) do
      {:ok, %{type: :directory, access: access}} -> access in [:write, :read_write]
      _ -> false
    end
  end

  defp slot(state_dir) do
    token = token(state_dir)

    Enum.find_value(0..(@slots - 1), fn slot ->
      case :gen_udp.open(slot_port(token, slot), ip: {127, 0, 0, 1}, active: false) do
        {:ok, socket} -> {"hotpush_#{token}_#{slot}", socket}
        {:error, _} -> nil
      end
    end) || {"hotpush_#{random()}", :no_slot}
  end

  defp token(state_dir) do
    path = Path.join(state_dir, "host_name")

    with {:ok, kept} <- File.read(path), true <- kept =~ ~r/\A[0-9a-f]{8}\z/ do
      kept
    else
      _ ->
        token = random()
        File.mkdir_p(state_dir)
        # Exclusively: two concurrent first runs must use the same one.
        case File.write(path, token, [:exclusive]) do
          :ok -> token
          {:error, :eexist} -> reread(path, token)
          {:error, _} -> token
        end
    end
  end

  defp reread(path, token) do
    case File.read(path) do
      {:ok, <<kept::binary-8>>} ->
        kept

      _ ->
        File.write(path, token)
        token
    end
  end

  defp random, do: Base.encode16(:rand.bytes(4), case: :lower)
end
