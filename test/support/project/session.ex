defmodule Hotpush.Test.Project.Session do
  @moduledoc """
  A VM in which one `mix` task after the other runs, as in a developer's `iex -S mix`. It saves Mix's
  start, which takes several times as long as a push.

  The first command of a project always runs in a VM of its own, and so does one while another is
  running. There is a new session when something changes that Mix reads only once, such as `mix.exs`.
  """

  use GenServer

  alias Hotpush.Test.Leash
  alias Hotpush.Test.Project.Command

  # Each has some 80 MB.
  @sessions 4
  @timeout_ms 180_000
  @script Path.expand("session.exs", __DIR__)

  @doc """
  Runs a `mix` task, and returns its output, including standard error, and the exit status. Returns
  `:none` if there is no free session.
  """
  @spec run(Path.t(), Path.t(), [String.t()], [{String.t(), String.t()}]) ::
          {String.t(), non_neg_integer()} | :none
  def run(dir, home, args, env) do
    key = {dir, home, read_once(dir)}

    case GenServer.call(pool(), {:take, key}, :infinity) do
      {:ok, session} -> run_in(session, key, args, env)
      :new -> key |> begin() |> run_in(key, args, env)
      :none -> :none
    end
  end

  defp run_in(session, key, args, env) do
    answer = GenServer.call(session, {:run, args, env}, :infinity)
    :ok = GenServer.call(pool(), {:give_back, key, session}, :infinity)
    answer
  end

  defp begin(key) do
    {:ok, session} = GenServer.start(__MODULE__, {:session, key}, timeout: @timeout_ms)
    session
  end

  # The pool outlives the test that happens to need it first.
  defp pool do
    case GenServer.start(__MODULE__, :pool, name: __MODULE__) do
      {:ok, pool} -> pool
      {:error, {:already_started, pool}} -> pool
    end
  end

  defp read_once(dir) do
    files = ~w(mix.exs mix.lock config/** apps/*/mix.exs apps/*/config/** ../*/mix.exs)
    paths = Enum.flat_map(files, &Path.wildcard(Path.join(dir, &1)))
    build = Path.join(dir, "_build/dev/lib/hotpush")
    :erlang.md5(:erlang.term_to_binary({for(p <- paths, do: {p, File.read(p)}), inode(build)}))
  end

  defp inode(path), do: with({:ok, stat} <- File.stat(path), do: stat.inode)

  @impl true
  def init(:pool), do: {:ok, %{seen: MapSet.new(), free: [], taken: %{}}}

  def init({:session, {dir, home, _}}) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, packet: 4, active: false, ip: {127, 0, 0, 1}])
    {:ok, number} = :inet.port(listener)
    mix = ~w(run --no-start --no-compile --no-deps-check #{@script} #{number})
    {sh, args} = Leash.wrap("mix", mix)

    port =
      Port.open({:spawn_executable, sh}, [
        :exit_status,
        :binary,
        :stderr_to_stdout,
        args: args,
        cd: dir,
        env: Leash.env_chars(Command.environment(home))
      ])

    {:ok, socket} = :gen_tcp.accept(listener, @timeout_ms)
    :gen_tcp.close(listener)
    {:ok, %{port: port, socket: socket}}
  end

  @impl true
  def handle_call({:take, key}, {test, _}, %{free: free} = pool) do
    cond do
      session = List.keyfind(free, key, 0) ->
        {:reply, {:ok, elem(session, 1)}, taken(%{pool | free: free -- [session]}, session, test)}

      key not in pool.seen or Map.has_key?(pool.taken, key) ->
        {:reply, :none, %{pool | seen: MapSet.put(pool.seen, key)}}

      true ->
        {:reply, :new, taken(pool, {key, nil}, test)}
    end
  end

  def handle_call({:give_back, key, session}, _from, pool) do
    {{_session, monitor}, taken} = Map.pop(pool.taken, key)
    Process.demonitor(monitor, [:flush])
    {free, old} = Enum.split([{key, session} | pool.free], @sessions)
    for {_key, session} <- old, do: GenServer.stop(session)
    {:reply, :ok, %{pool | free: free, taken: taken}}
  end

  def handle_call({:run, args, env}, _from, state) do
    mark = Base.encode16(:rand.bytes(16))
    :ok = :gen_tcp.send(state.socket, :erlang.term_to_binary({mark, args, env}))
    {:reply, collect(state.port, mark, ""), state}
  end

  # Nobody knows what the session does for a test that has ended.
  @impl true
  def handle_info({:DOWN, monitor, :process, _test, _reason}, pool) do
    {key, {session, _}} = Enum.find(pool.taken, fn {_, {_, of}} -> of == monitor end)
    if session, do: Process.exit(session, :kill)
    {:noreply, %{pool | taken: Map.delete(pool.taken, key)}}
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp taken(pool, {key, session}, test),
    do: put_in(pool.taken[key], {session, Process.monitor(test)})

  defp collect(port, mark, output) do
    receive do
      {^port, {:data, data}} ->
        case String.split(output <> data, mark) do
          [output, status] -> ended(port, mark, output, status)
          [output] -> collect(port, mark, output)
        end

      {^port, {:exit_status, status}} ->
        raise "the session ended with #{status}:\n#{output}"
    after
      @timeout_ms -> raise "the session does not answer:\n#{output}"
    end
  end

  defp ended(port, mark, output, status) do
    if String.ends_with?(status, "\n") do
      {output, status |> String.trim() |> String.to_integer()}
    else
      receive do
        {^port, {:data, more}} -> ended(port, mark, output, status <> more)
      end
    end
  end
end
