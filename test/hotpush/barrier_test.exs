defmodule Hotpush.BarrierTest do
  @moduledoc """
  Devices that wait for each other: none runs new code before all devices that can take it have received
  all of it. No command offers this yet.
  """
  use ExUnit.Case, async: false

  alias Hotpush.Config.Target
  alias Hotpush.Push.Engine
  alias Hotpush.Test.{Device, Link, SshDevice, Workbench}

  defmodule Ready do
    @moduledoc false
    def prepare(target), do: {:ok, target}
    def finish, do: :ok
  end

  defp source(version), do: "defmodule Desk.Plain do\n  def v, do: #{version}\nend\n"

  test "no device runs new code before all have staged it; a device that is down delays nobody" do
    bench = Workbench.new(:desk, source(1))
    [one, down] = for _ <- 1..2, do: Workbench.device(bench, mode: :embedded)
    slow = Workbench.device(bench, mode: :embedded, link: 0)
    ssh = Workbench.ssh_device(bench, mode: :embedded)
    targets = Enum.map([one, slow, ssh, down], &Workbench.target(bench, &1))
    devices = [one, slow, ssh.device]
    name = to_string(slow.node)
    Device.kill(down)
    Workbench.write(bench, source(2))
    test = self()

    progress = fn
      {:loading, ^name, _} -> Link.stall(slow.link)
      {:sent, 1, 1} -> send(test, :sent)
      _ -> :ok
    end

    push = fn ->
      options = [progress: progress, barriers: [:commit]]
      SshDevice.with_path(ssh, fn -> Workbench.push_targets(bench, targets, options) end)
    end

    push = Task.async(push)

    # Both hold all of the new code, and still run the old code.
    for _ <- 1..2, do: assert_receive(:sent, 20_000)
    refute_received :sent

    for device <- [one, ssh.device] do
      assert Device.call(device, :erlang, :whereis, [:hotpush_transaction]) != :undefined
      assert Device.call(device, Desk.Plain, :v, []) == 1
    end

    Link.resume(slow.link)
    [down | others] = push |> Task.await(60_000) |> Enum.reverse()
    assert %{status: :failed, failures: [%{stage: :connect}]} = down
    # One more round trip, since even a small push is staged.
    for outcome <- others, do: assert(%{status: :done, round_trips: 4} = outcome)

    for device <- devices do
      assert Device.call(device, Desk.Plain, :v, []) == 2
      assert Device.agents(device) == []
    end

    assert %{status: :done, round_trips: 1} = Workbench.push(bench, one)
  end

  describe "the engine" do
    defp engine(names, work, options) do
      targets = for name <- names, do: %Target{name: name, transport: Ready}
      run = fn target, _prepared, reach -> work.(target.name, reach) end
      for {_, result} <- Engine.run(targets, run, [barriers: [:commit]] ++ options), do: result
    end

    test "lets all pass when all have arrived, however many they are" do
      names = for n <- 1..40, do: "#{n}"
      results = engine(names, fn _, reach -> {reach.(:stage), reach.(:commit)} end, [])
      assert results == List.duplicate({:ok, {:all, :all}}, 40)
    end

    test "does not wait for a target that crashed or is done, nor longer than its limit" do
      work = fn
        "crashes", _ -> raise "boom"
        "is done", _ -> :done
        _, reach -> reach.(:commit)
      end

      assert [{:ok, :some}, {:error, _}, {:ok, :done}, {:ok, :some}] =
               engine(["a", "crashes", "is done", "b"], work, [])

      # One target hangs until the others have passed.
      work = fn
        "hangs", reach -> receive do: (:go -> reach.(:commit))
        hanging, reach -> {reach.(:commit), hanging}
      end

      assert [{:ok, {:some, "a"}}, :late] =
               engine(["a", "hangs"], work, barrier_ms: 10, limit: 1_000)
    end
  end
end
