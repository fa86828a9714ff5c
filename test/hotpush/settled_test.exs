defmodule Hotpush.SettledTest do
  @moduledoc """
  The VM's node does not change while a project is compiled. Without these tests, a push could now and
  then fail with a compilation error that the next push does not have.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Test.{Run, Until}
  alias Hotpush.Transport.Dist.Owner

  @node :"nobody@127.0.0.1"

  setup do
    :ok = Hotpush.Application.ensure_started()
    on_exit(fn -> Until.until("the node to go", fn -> not Node.alive?() end) end)
    %{dir: Run.dir("settled")}
  end

  # A compilation in another process, which runs until the test ends it.
  defp compilation do
    test = self()

    Task.async(fn ->
      Owner.settled(fn ->
        name = node()
        send(test, {:settled, self()})

        receive do
          :go_on -> {name, node()}
        end
      end)
    end)
  end

  defp settled do
    task = compilation()
    assert_receive {:settled, _}
    task
  end

  defp go_on(task) do
    send(task.pid, :go_on)
    Task.await(task)
  end

  test "the node starts before the compilation, or after it", %{dir: dir} do
    Owner.start_soon(@node, dir)
    first = settled()
    assert Node.alive?()
    Owner.finish()
    assert Node.alive?()
    assert {name, name} = go_on(first)
    Until.until("the node to stop", fn -> not Node.alive?() end)

    first = settled()
    second = settled()
    Owner.start_soon(@node, dir)
    user = Task.async(fn -> {Owner.start(@node, dir), Node.alive?(), Owner.finish()} end)
    assert go_on(first) == {:nonode@nohost, :nonode@nohost}
    assert Task.yield(user, 50) == nil
    assert go_on(second) == {:nonode@nohost, :nonode@nohost}
    assert Task.await(user) == {:ok, true, :ok}
  end

  test "a compilation that is killed delays nobody", %{dir: dir} do
    task = settled()
    user = Task.async(fn -> {Owner.start(@node, dir), Owner.finish()} end)
    assert Task.yield(user, 50) == nil
    Process.unlink(task.pid)
    Process.exit(task.pid, :kill)
    assert Task.await(user) == {:ok, :ok}
  end
end
