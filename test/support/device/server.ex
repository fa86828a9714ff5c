defmodule Hotpush.Test.Device.Server do
  @moduledoc "Owns the OS process of one device, its control socket and its link."

  use GenServer

  alias Hotpush.Test.{Leash, Link, Until}
  alias Hotpush.Test.Device.{Control, Launch, Throttle}

  defstruct [:opts, :port, :os_pid, :control, :link, :throttle, calls: %{}]

  @ready 60_000

  @doc "Starts the server and the device; it stops when `owner` ends."
  @spec start(keyword, pid) :: {:ok, pid} | {:error, term}
  def start(opts, owner), do: GenServer.start(__MODULE__, {opts, owner})

  @impl true
  def init({opts, owner}) do
    Process.flag(:trap_exit, true)
    Process.monitor(owner)

    case boot(%__MODULE__{opts: opts}) do
      {:ok, state} -> {:ok, state}
      {:error, reason} -> {:stop, {:shutdown, reason}}
    end
  end

  defp boot(state) do
    control = Control.listen(address(state.opts, :gateway))
    {command, args, env} = Launch.command(state.opts, Control.expression(control))
    env = Hotpush.Test.Run.clean_env() ++ env
    port = Leash.open(command, args, state.opts[:log], env)

    with {:ok, control} <- await(port, control, System.monotonic_time(:millisecond) + @ready) do
      state = %{state | port: port, control: control}
      {:ok, os_pid} = ask(state, {:os, :getpid, []})
      state = %{state | os_pid: List.to_integer(os_pid)}
      {:ok, state |> link() |> throttle()}
    end
  end

  # The device is ready when it connects back; it may also end before that.
  defp await(port, control, deadline) do
    receive do
      {^port, {:exit_status, code}} -> {:error, {:exit_status, code}}
    after
      0 ->
        case Control.accept(control, 50) do
          {:ok, control} ->
            {:ok, control}

          {:error, :timeout} ->
            if System.monotonic_time(:millisecond) < deadline do
              await(port, control, deadline)
            else
              Leash.kill(port)
              {:error, :not_ready}
            end
        end
    end
  end

  defp link(%{opts: opts} = state) do
    if opts[:distribution], do: link_node(state), else: state
  end

  defp link_node(%{opts: opts} = state) do
    {name, _host} = opts[:split]
    label = "epmd to know #{name}"
    dist = Until.until(label, fn -> dist_port(name, address(opts, :address)) end)
    state = %{state | opts: Keyword.put(opts, :dist_port, dist)}

    cond do
      opts[:link] == nil ->
        state

      state.link ->
        state

      true ->
        link =
          Link.start(listen: {{127, 0, 0, 2}, dist}, to: {{127, 0, 0, 1}, dist}, rtt: opts[:link])

        %{state | link: link}
    end
  end

  # Ours and the device's own, where it is in a namespace.
  defp address(opts, key) do
    # One behind tunnels registers here.
    here? = is_nil(opts[:netns]) or (opts[:tunnelled] == true and key == :address)
    text = if here?, do: "127.0.0.1", else: Map.fetch!(opts[:netns], key)
    {:ok, address} = :inet.parse_ipv4_address(String.to_charlist(text))
    address
  end

  defp dist_port(name, address) do
    with {:ok, names} <- :erl_epmd.names(address) do
      Enum.find_value(names, fn {known, port} -> if to_string(known) == name, do: port end)
    else
      _ -> nil
    end
  end

  defp throttle(%{opts: opts} = state) do
    if opts[:cpu] do
      %{state | throttle: Throttle.start(state.os_pid, opts[:cpu], opts[:log])}
    else
      state
    end
  end

  # Before the server serves: one call, answered here.
  defp ask(state, mfa) do
    ref = System.unique_integer()
    :ok = Control.send_call(state.control, ref, mfa)
    socket = state.control.socket

    receive do
      {:tcp, ^socket, answer} ->
        {^ref, result} = :erlang.binary_to_term(answer)
        result
    after
      10_000 -> {:error, :timeout}
    end
  end

  @impl true
  def handle_call(:info, _from, state) do
    {:reply, Map.take(state, [:os_pid, :link]) |> Map.put(:dist_port, state.opts[:dist_port]),
     state}
  end

  def handle_call({:call, mfa}, from, state) do
    # Not a reference: one would not come back as it went when this VM changes its node name.
    ref = System.unique_integer()

    case state.control && Control.send_call(state.control, ref, mfa) do
      :ok -> {:noreply, put_in(state.calls[ref], from)}
      other -> {:reply, {:down, other}, state}
    end
  end

  def handle_call(:kill, _from, state), do: {:reply, :ok, down(state)}

  def handle_call(:restart, _from, state) do
    case state |> down() |> boot_again(5) do
      {:ok, state} -> {:reply, :ok, state}
      {:error, reason} -> {:stop, :shutdown, {:error, reason}, %{state | port: nil}}
    end
  end

  # Its port is free while it is down: another VM of the tests may have it for a moment.
  defp boot_again(state, left) do
    with {:error, {:exit_status, _}} when left > 1 <- boot(state) do
      Process.sleep(200)
      boot_again(state, left - 1)
    end
  end

  @impl true
  def handle_info({:tcp, _socket, answer}, state) do
    {ref, result} = :erlang.binary_to_term(answer)
    {from, calls} = Map.pop(state.calls, ref)
    if from, do: GenServer.reply(from, result)
    {:noreply, %{state | calls: calls}}
  end

  def handle_info({:tcp_closed, _socket}, state), do: {:noreply, hang_up(state)}

  def handle_info({port, {:exit_status, _code}}, %{port: port} = state) do
    {:noreply, hang_up(%{state | port: nil})}
  end

  def handle_info({:DOWN, _ref, :process, _owner, _reason}, state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    if state.link, do: Link.stop(state.link)
    down(state)
  end

  defp down(state) do
    for port <- [state.throttle, state.port], port && Port.info(port), do: Leash.kill(port)
    hang_up(%{state | port: nil, throttle: nil})
  end

  defp hang_up(state) do
    for {_ref, from} <- state.calls, do: GenServer.reply(from, {:down, :closed})
    if state.control, do: :gen_tcp.close(state.control.socket)
    %{state | control: nil, calls: %{}}
  end
end
