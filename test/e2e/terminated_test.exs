defmodule Hotpush.TerminatedTest do
  @moduledoc "SIGTERM ends each command at once with 143, as it ends other programs, and no ssh of it stays."
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Hotswap, Project}
  alias Hotpush.Test.Project.Command

  @moduletag :ssh

  # A port that takes connections and never says a word.
  setup_all do
    {:ok, socket} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false])
    {:ok, port} = :inet.port(socket)

    project =
      Project.new(
        app: :desk,
        files: %{"lib/desk.ex" => "defmodule Desk do\nend\n"},
        config: "import Config\nconfig :hotpush, ssh: [\"127.0.0.1:#{port}\"]\n"
      )

    Project.mix!(project, ["compile"])
    %{project: project, socket: socket}
  end

  for command <- [["upload.hotswap", "--no-compile"], ["hotpush.devices", "--only", "epmd"]] do
    test "mix #{hd(command)}", %{project: project, socket: socket} do
      {mark, env} = Command.mark()
      args = unquote(command) ++ ["--timeout", "100000"]
      task = Task.async(fn -> Project.mix(project, args, env) end)
      {:ok, ssh} = :gen_tcp.accept(socket, 60_000)
      {_, 0} = System.cmd("kill", ["-TERM", Command.vm(mark)])
      assert {output, 143} = Task.await(task, 60_000)
      Hotswap.decent(output, [])
      assert ended?(ssh)
    end
  end

  # After the version that it greets with.
  defp ended?(ssh) do
    case :gen_tcp.recv(ssh, 0, 10_000) do
      {:ok, _greeting} -> ended?(ssh)
      {:error, :closed} -> true
      {:error, :timeout} -> false
    end
  end
end
