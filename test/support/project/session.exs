# The VM of Hotpush.Test.Project.Session: `mix run` evaluates this in a project.
defmodule Hotpush.Test.Project.Session.Script do
  def start([port]) do
    {:ok, socket} =
      :gen_tcp.connect({127, 0, 0, 1}, String.to_integer(port), [
        :binary,
        packet: 4,
        active: false
      ])

    loop(socket)
  end

  # Ends with the connection.
  defp loop(socket) do
    with {:ok, request} <- :gen_tcp.recv(socket, 0) do
      {mark, [task | args], env} = :erlang.binary_to_term(request)
      before = Map.new(env, fn {name, _value} -> {name, System.get_env(name)} end)
      System.put_env(env)
      status = run(task, args)
      System.put_env(before)
      IO.write([mark, " #{status}\n"])
      loop(socket)
    end
  end

  # As a shell's command: every task runs again, and first those that Mix needs to find this one.
  defp run(task, args) do
    Mix.Task.clear()
    forget_protocols()
    Mix.Task.run("deps.loadpaths", [])
    Mix.Task.run(task, args)
    0
  catch
    :exit, {:shutdown, status} ->
      status

    :error, %Mix.Error{message: message} ->
      IO.puts(:stderr, "** (Mix) " <> message)
      1

    kind, reason ->
      IO.puts(:stderr, Exception.format(kind, reason, __STACKTRACE__))
      1
  end

  # While a consolidated protocol is loaded, the compiler warns about each new implementation.
  defp forget_protocols do
    path = Mix.Project.consolidation_path()
    Code.delete_path(path)

    for name <- path |> Path.join("*.beam") |> Path.wildcard() |> Enum.map(&Path.basename/1) do
      module = name |> Path.rootname() |> String.to_atom()
      :code.purge(module)
      :code.delete(module)
    end
  end
end

Hotpush.Test.Project.Session.Script.start(System.argv())
