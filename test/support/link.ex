defmodule Hotpush.Test.Link do
  @moduledoc """
  A TCP link with a delay, byte counters and faults, as a proxy in this VM.

  It delays bytes by half a round trip, but does not limit throughput. Opening a connection takes one round trip, which delays
  its first bytes, since a proxy cannot delay the TCP handshake.
  """

  use GenServer
  alias Hotpush.Test.Link.Connection
  alias Hotpush.Test.Ports

  defstruct [:pid, :counters, :rtt, :listen]

  @type t :: %__MODULE__{
          pid: pid,
          counters: :counters.counters_ref(),
          rtt: non_neg_integer,
          listen: address
        }
  @type address :: {:inet.ip_address(), :inet.port_number()}

  @doc """
  Starts a link that listens on `listen:`, leads to `to:` and has a round trip of
  `rtt:` milliseconds. It ends with its caller.
  """
  @spec start(listen: address, to: address, rtt: non_neg_integer) :: t
  def start(opts) do
    link = %__MODULE__{
      counters: :counters.new(3, []),
      rtt: Keyword.get(opts, :rtt, 0),
      listen: Keyword.fetch!(opts, :listen)
    }

    {:ok, pid} = GenServer.start_link(__MODULE__, {link, Keyword.fetch!(opts, :to)})
    %{link | pid: pid, listen: GenServer.call(pid, :address)}
  end

  @doc "Bytes carried since the start or the last reset, per direction."
  @spec bytes(t) :: {to_device :: non_neg_integer, to_host :: non_neg_integer}
  def bytes(link), do: {:counters.get(link.counters, 1), :counters.get(link.counters, 2)}

  @doc "How many connections were accepted since the start or the last reset."
  @spec connections(t) :: non_neg_integer
  def connections(link), do: :counters.get(link.counters, 3)

  @doc "Sets the counters to zero."
  @spec reset(t) :: :ok
  def reset(link), do: Enum.each(1..3, &:counters.put(link.counters, &1, 0))

  @doc "Drops every connection; new ones are accepted."
  @spec cut(t) :: :ok
  def cut(link), do: GenServer.call(link.pid, :cut)

  @doc """
  Drops each connection, open or new, as soon as its `direction` has carried
  `bytes` more, until `resume/1`.
  """
  @spec cut_after(t, :to_device | :to_host, non_neg_integer) :: :ok
  def cut_after(link, direction, bytes) do
    GenServer.call(link.pid, {:cut_after, direction, bytes})
  end

  @doc "The same as `cut_after/3`, but only for the open connections, and only once."
  @spec cut_open_after(t, :to_device | :to_host, non_neg_integer) :: :ok
  def cut_open_after(link, direction, bytes) do
    GenServer.call(link.pid, {:cut_open_after, direction, bytes})
  end

  @doc "The same as `cut_after/3`, but only for the next connection."
  @spec cut_next_after(t, :to_device | :to_host, non_neg_integer) :: :ok
  def cut_next_after(link, direction, bytes) do
    GenServer.call(link.pid, {:cut_next_after, direction, bytes})
  end

  @doc "Stops forwarding, in both directions; connections stay open."
  @spec stall(t) :: :ok
  def stall(link), do: GenServer.call(link.pid, :stall)

  @doc "Refuses new connections; open ones stay."
  @spec refuse(t) :: :ok
  def refuse(link), do: GenServer.call(link.pid, :refuse)

  @doc "Undoes `stall/1`, `refuse/1` and `cut_after/3`. Held bytes are delivered."
  @spec resume(t) :: :ok
  def resume(link), do: GenServer.call(link.pid, :resume)

  @doc "Closes the link and everything on it."
  @spec stop(t) :: :ok
  def stop(link), do: GenServer.stop(link.pid)

  @impl true
  def init({link, to}) do
    Process.flag(:trap_exit, true)

    state = %{
      link: link,
      to: to,
      socket: nil,
      acceptor: nil,
      connections: [],
      stalled: false,
      cut: nil
    }

    {:ok, listen(state)}
  end

  @impl true
  def handle_call(:address, _from, state), do: {:reply, state.link.listen, state}

  def handle_call(:cut, _from, state), do: {:reply, :ok, cut_all(state)}

  def handle_call({:cut_after, direction, bytes}, _from, state) do
    Enum.each(state.connections, &send(&1, {:cut_after, direction, bytes}))
    {:reply, :ok, %{state | cut: {direction, bytes}}}
  end

  def handle_call({:cut_open_after, direction, bytes}, _from, state) do
    Enum.each(state.connections, &send(&1, {:cut_after, direction, bytes}))
    {:reply, :ok, state}
  end

  def handle_call({:cut_next_after, direction, bytes}, _from, state),
    do: {:reply, :ok, %{state | cut: {:once, direction, bytes}}}

  def handle_call(:stall, _from, state) do
    Enum.each(state.connections, &send(&1, :stall))
    {:reply, :ok, %{state | stalled: true}}
  end

  def handle_call(:refuse, _from, state), do: {:reply, :ok, unlisten(state)}

  def handle_call(:resume, _from, state) do
    Enum.each(state.connections, &send(&1, :resume))
    {:reply, :ok, listen(%{state | stalled: false, cut: nil})}
  end

  def handle_call({:accepted, socket}, _from, state) do
    :counters.add(state.link.counters, 3, 1)

    {cut, next} =
      with {:once, direction, bytes} <- state.cut,
           do: {{direction, bytes}, nil},
           else: (cut -> {cut, cut})

    pid = Connection.start(socket, state.to, state.link, cut)
    :ok = :gen_tcp.controlling_process(socket, pid)
    send(pid, :go)
    if state.stalled, do: send(pid, :stall)
    {:reply, :ok, %{state | connections: [pid | state.connections], cut: next}}
  end

  @impl true
  def handle_info({:EXIT, pid, _reason}, state) do
    {:noreply, %{state | connections: List.delete(state.connections, pid)}}
  end

  @impl true
  def terminate(_reason, state), do: state |> unlisten() |> cut_all()

  defp listen(%{socket: nil} = state) do
    {ip, port} = state.link.listen

    options = [
      :binary,
      ip: ip,
      active: false,
      nodelay: true,
      reuseaddr: true,
      exit_on_close: false
    ]

    ports = if port == 0, do: Ports.candidates(), else: [port]
    {:ok, socket} = Ports.first(ports, &:gen_tcp.listen(&1, options))
    {:ok, address} = :inet.sockname(socket)
    link = self()
    acceptor = spawn_link(fn -> accept(socket, link) end)
    %{state | socket: socket, acceptor: acceptor, link: %{state.link | listen: address}}
  end

  defp listen(state), do: state

  defp unlisten(%{socket: nil} = state), do: state

  defp unlisten(state) do
    :gen_tcp.close(state.socket)
    %{state | socket: nil, acceptor: nil}
  end

  defp cut_all(state) do
    Enum.each(state.connections, &Hotpush.Push.Isolation.kill/1)
    %{state | connections: []}
  end

  defp accept(listener, link) do
    with {:ok, socket} <- :gen_tcp.accept(listener) do
      :ok = :gen_tcp.controlling_process(socket, link)
      GenServer.call(link, {:accepted, socket})
      accept(listener, link)
    end
  end
end
