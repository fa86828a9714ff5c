defmodule Hotpush.Transport.Dist do
  @moduledoc """
  Erlang distribution: as a hidden node without a listener, under a name that is kept between visits.

  Only this module and those below it use `:erpc`, `:net_kernel` or `Node`. Over distribution, each side
  can do anything to the other.
  """

  @behaviour Hotpush.Transport

  alias Hotpush.Error
  alias Hotpush.Config.{Secret, Target}
  alias Hotpush.Transport.Dist.{Diagnosis, Listener, Owner, Speaker}

  # At most this long before its deadline, the cause of a slow attempt is looked for.
  @look_ms 5_000

  defstruct [:node, :hold]

  defmodule Conversation do
    @moduledoc false
    defstruct [:speaker, :listener, :tag]
  end

  @impl true
  def prepare(%Target{} = target) do
    with :ok <- Owner.start(target.node, target.state_dir), do: {:ok, target}
  end

  @impl true
  def finish, do: Owner.finish()

  @doc "Keeps this VM the node that it has become, even after `c:Hotpush.Transport.finish/0`."
  @spec stay() :: :ok
  def stay, do: Owner.stay()

  @doc "Ends this VM's connection with a node. Returns whether there was one."
  @spec leave(node()) :: boolean()
  def leave(node), do: node in Node.list(:connected) and Node.disconnect(node) == true

  @impl true
  def open(%Target{node: node} = target, timeout) do
    if cookie = Secret.unwrap(target.cookie), do: Node.set_cookie(node, cookie)
    conn = %__MODULE__{node: node, hold: Owner.join(node)}

    with {:error, error} <- connect(conn, timeout) do
      close(conn)
      {:error, error}
    end
  end

  @doc """
  Use this instead of `c:Hotpush.Transport.close/1` to keep the connection. Returns a process that lives
  as long as the connection.
  """
  @spec keep(%__MODULE__{}) :: pid()
  def keep(conn) do
    Owner.keep(conn.node, conn.hold)

    {:ok, connection} = DynamicSupervisor.start_child(Hotpush.Lines, {Task, kept(conn.node)})
    connection
  end

  defp kept(node) do
    fn ->
      Node.monitor(node, true)

      receive do
        {:nodedown, _node} -> :ok
      end
    end
  end

  # The attempt runs in another process, since it cannot be stopped if it hangs. It has the whole time;
  # towards the end, the cause of the delay is looked for as well.
  defp connect(conn, timeout) do
    attempt = Task.async(fn -> :net_kernel.hidden_connect_node(conn.node) end)
    look = min(@look_ms, div(timeout, 2))

    case Task.yield(attempt, timeout - look) do
      {:ok, true} -> {:ok, conn}
      {:ok, _} -> {:error, Diagnosis.of(conn.node, step(look))}
      nil -> hanging(conn, attempt, look, Error.new(:connect, conn.node, {:timeout, timeout}))
    end
  end

  defp hanging(conn, attempt, look, error) do
    cause = Task.async(fn -> Diagnosis.of(conn.node, step(look), error) end)
    result = Task.yield(attempt, look) || Task.shutdown(attempt, :brutal_kill)

    case {result, Task.shutdown(cause, :brutal_kill)} do
      {{:ok, true}, _} -> {:ok, conn}
      {nil, {:ok, cause}} -> {:error, cause}
      {nil, _} -> {:error, error}
      {_, _} -> {:error, Diagnosis.of(conn.node, step(look))}
    end
  end

  # At most two of its steps time out.
  defp step(look), do: div(look * 2, 5) + 1

  @impl true
  def call(conn, {module, function, arguments}, timeout) do
    {:ok, :erpc.call(conn.node, module, function, arguments, timeout)}
  rescue
    error in ErlangError -> {:error, failure(error.original, timeout)}
  catch
    kind, reason -> {:error, {:raised, Exception.format_banner(kind, reason)}}
  end

  defp failure({:erpc, :timeout}, timeout), do: {:timeout, timeout}
  defp failure({:erpc, :noconnection}, _), do: :connection_lost
  defp failure({:exception, reason, _stack}, _), do: {:raised, inspect(reason)}
  defp failure(other, _), do: {:raised, inspect(other)}

  @impl true
  def start(conn, question, timeout) do
    tag = make_ref()
    listener = Listener.start(conn.node, question, tag)

    receive do
      {^tag, :started, pid} ->
        {:ok, %Conversation{speaker: Speaker.start(pid, tag), listener: listener, tag: tag}}

      {^tag, :failed, :noconnection} ->
        {:error, :connection_lost}

      {^tag, :failed, reason} ->
        {:error, {:raised, inspect(reason)}}
    after
      timeout ->
        Listener.stop(listener, tag)
        {:error, {:timeout, timeout}}
    end
  end

  @impl true
  def send(conversation, message), do: Speaker.say(conversation.speaker, message)

  @impl true
  def receive(%Conversation{tag: tag}, timeout) do
    receive do
      {^tag, answer} -> {:ok, answer}
      {^tag, :down, :noconnection} -> {:error, :connection_lost}
      {^tag, :down, reason} -> {:error, {:raised, inspect(reason)}}
    after
      timeout -> {:error, {:timeout, timeout}}
    end
  end

  @impl true
  def stop(conversation) do
    Speaker.stop(conversation.speaker)
    Listener.stop(conversation.listener, conversation.tag)
  end

  # A device drops a broken connection when the same node connects again.
  @impl true
  def served_by(_conn), do: :none

  @impl true
  def bytes(conn) do
    with {_, controller} <- List.keyfind(:erlang.system_info(:dist_ctrl), conn.node, 0),
         port when is_port(port) <- port(controller, conn.node),
         {:ok, stat} <- :inet.getstat(port, [:send_oct, :recv_oct]) do
      {stat[:send_oct], stat[:recv_oct]}
    else
      _ -> {0, 0}
    end
  end

  # With TLS, there are processes between the node and its port. The address (the record net_address of
  # kernel) leads to the right one.
  defp port(port, _node) when is_port(port), do: port

  defp port(_process, node) do
    with {:ok, {:net_address, peer, _, _, _}} <- :net_kernel.node_info(node, :address),
         do: Enum.find(Port.list(), &(:inet.peername(&1) == {:ok, peer}))
  end

  @impl true
  def close(conn), do: Owner.leave(conn.node, conn.hold)
end
