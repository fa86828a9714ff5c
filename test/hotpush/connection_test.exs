defmodule Hotpush.ConnectionTest do
  @moduledoc "When a connection fails, why. Real nodes, real epmd."
  use ExUnit.Case, async: false

  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Transport.Dist
  alias Hotpush.Test.{Device, Link, Ports, Run, Until, Workbench}

  @source "defmodule Desk.Plain do\n  def v, do: :one\nend\n"

  setup do
    # The process of the test may end a little after the test.
    on_exit(fn ->
      Until.until("the node to go", fn -> Dist.finish() == :ok and not Node.alive?() end)
    end)

    %{state_dir: Run.dir("state")}
  end

  defp target(node, cookie, state_dir) do
    %Target{
      name: to_string(node),
      transport: Dist,
      node: node,
      cookie: Hotpush.Config.Secret.wrap(cookie),
      state_dir: state_dir
    }
  end

  defp open(node, state_dir, cookie \\ :any, timeout \\ 5_000) do
    target = target(node, cookie, state_dir)
    with {:ok, target} <- Dist.prepare(target), do: Dist.open(target, timeout)
  end

  test "the host name does not resolve", %{state_dir: state_dir} do
    assert {:error, error} = open(:"a@no-such-host.invalid", state_dir)
    assert error.reason == {:unresolved, "no-such-host.invalid"}
    assert Error.message(error) =~ "no-such-host.invalid does not resolve"
  end

  test "no epmd answers there" do
    # A port on which nothing listens stands for a host without epmd.
    port = Ports.free()

    error = Dist.Diagnosis.of(:"a@127.0.0.1", 2_000, nil, port)
    assert {:no_epmd, "127.0.0.1", ^port, :econnrefused} = error.reason
    assert Error.message(error) =~ "no epmd answers at 127.0.0.1, port #{port}"
  end

  test "the node is not registered; the error names those that are", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true)
    assert {:error, error} = open(:"stranger@127.0.0.1", state_dir)
    assert {:not_registered, "127.0.0.1", names} = error.reason
    [name, _] = device.node |> to_string() |> String.split("@")
    assert name in names
    assert Error.message(error) =~ name
  end

  test "its port is closed", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true, link: 0)
    Link.refuse(device.link)
    assert {:error, error} = open(device.node, state_dir, device.cookie)
    assert {:port_closed, "127.0.0.2", port, :econnrefused} = error.reason
    assert port == device.dist_port
    assert Error.message(error) =~ "port #{port} at 127.0.0.2 cannot be reached"
  end

  test "the cookie is wrong, and no cookie is shown", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true)
    assert {:error, error} = open(device.node, state_dir, :wrong_secret)
    assert error.reason == :handshake_refused
    assert Error.message(error) =~ "most likely the cookie is wrong"
    refute Error.message(error) =~ "wrong_secret"
    refute inspect(target(device.node, :wrong_secret, state_dir)) =~ "wrong_secret"
  end

  test "the node's name has another host part", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true)
    other = device.node |> to_string() |> String.replace("127.0.0.1", "localhost")
    assert {:error, error} = open(String.to_atom(other), state_dir, device.cookie)
    assert error.reason == {:other_name, to_string(device.node)}
    assert Error.message(error) =~ "#{other} answers, but its name is #{device.node}."
  end

  # A cut has nothing to do with the cookie, wherever it is, even if it happens each time.
  test "the link is cut in the handshake", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true, link: 0)
    {:ok, conn} = open(device.node, state_dir, device.cookie)
    {to_device, to_host} = Link.bytes(device.link)
    Dist.close(conn)

    # The greeting, the challenge, the proof and the answer to it are some 60 to 100 bytes. These are `sok`
    # and the challenge, with their lengths; what follows is the answer to the proof.
    asked = 5 + 21 + byte_size(to_string(device.node))

    cuts =
      for(bytes <- Enum.take_every(1..min(to_device, 140), 12), do: {:to_device, bytes}) ++
        for(bytes <- Enum.take_every(1..min(to_host, 100), 9), do: {:to_host, bytes}) ++
        for(bytes <- 0..1, do: {:to_host, asked + bytes})

    reasons =
      for {direction, bytes} <- cuts do
        Link.cut_after(device.link, direction, bytes)
        answer = open(device.node, state_dir, device.cookie)
        Link.resume(device.link)

        case answer do
          {:ok, conn} ->
            Dist.close(conn)
            :ok

          {:error, error} ->
            refute Error.message(error) =~ "cookie"
            error.reason
        end
      end

    assert :handshake_broken in reasons
    assert Enum.uniq(reasons) -- [:handshake_broken, :ok] == []

    # Through the same link, a wrong cookie is still named as the cause.
    assert {:error, %{reason: :handshake_refused}} = open(device.node, state_dir, :wrong_secret)
  end

  test "short and long names are mixed", %{state_dir: state_dir} do
    long = Device.start(erlang_only: true)
    assert {:ok, conn} = open(long.node, state_dir, long.cookie)
    assert {:error, error} = open(:short@localhost, state_dir)
    assert error.reason == {:name_domain, :shortnames}
    assert Error.message(error) =~ "a VM uses one kind of names at a time"
    Dist.close(conn)
  end

  test "a short name works by itself", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true, names: :short)
    assert {:ok, conn} = open(device.node, state_dir, device.cookie)
    Dist.close(conn)
  end

  test "it accepts the connection and does not answer", %{state_dir: state_dir} do
    device = Device.start(erlang_only: true, link: 0)
    Link.stall(device.link)
    assert {:error, error} = open(device.node, state_dir, device.cookie, 700)
    assert error.reason == {:timeout, 700}
    assert Error.message(error) =~ "did not complete the connection within 700 ms"
  end

  test "the name is kept between visits, and runs at the same time have different names",
       context do
    device = Device.start(erlang_only: true)
    names = for _ <- 1..3, do: host_name(device, context.state_dir)
    assert [name] = Enum.uniq(names)
    assert name =~ ~r/^hotpush_[0-9a-f]{8}_0@127\.0\.0\.1$/

    # Another run has the first slot.
    [_, token, _] = Regex.run(~r/^hotpush_(\w{8})_(\d)@/, name)
    {:ok, other} = :gen_udp.open(Dist.Host.slot_port(token, 0), ip: {127, 0, 0, 1})
    assert host_name(device, context.state_dir) == "hotpush_#{token}_1@127.0.0.1"
    :gen_udp.close(other)
  end

  defp host_name(device, state_dir) do
    {:ok, conn} = open(device.node, state_dir, device.cookie)
    [name] = Device.call(device, :erlang, :nodes, [:hidden])
    assert Device.call(device, :erlang, :nodes, []) == []
    Dist.close(conn)
    Dist.finish()
    to_string(name)
  end

  describe "several devices:" do
    test "one that is down, one that refuses and one that hangs do not affect the others" do
      bench = Workbench.new(:desk, @source)
      good = for _ <- 1..2, do: Workbench.device(bench, mode: :embedded)
      down = %{hd(good) | node: :"nobody@127.0.0.1"}
      refuses = Workbench.device(Workbench.new(:shelf, "defmodule Shelf do\nend\n"))
      hangs = Workbench.device(bench, mode: :embedded, link: 0)
      Device.freeze(hangs)

      Workbench.write(bench, String.replace(@source, ":one", ":two"))
      devices = [hangs, down, hd(good), refuses, List.last(good)]
      outcomes = Workbench.push_all(bench, devices, timeout: 3_000)
      assert Enum.map(outcomes, & &1.status) == [:failed, :failed, :done, :refused, :done]

      for device <- good do
        assert Device.call(device, Desk.Plain, :v, []) == :two
        assert Workbench.push(bench, device).round_trips == 1
      end

      assert [%{reason: {:other_project, ["desk"], _}}] = Enum.at(outcomes, 3).refusals
      Device.thaw(hangs)
      assert Workbench.push(bench, hangs).loaded == ["Elixir.Desk.Plain"]
    end

    test "a device that hangs after it was asked is reported, and the next push corrects it" do
      bench = Workbench.new(:desk, @source)
      device = Workbench.device(bench, mode: :embedded, link: 0)
      Workbench.write(bench, String.replace(@source, ":one", ":two"))

      freeze = fn
        {:loading, _, _} -> Link.stall(device.link)
        _ -> :ok
      end

      outcome = Workbench.push(bench, device, timeout: 1_500, progress: freeze)
      assert %{status: :unknown, failures: [%{stage: :load, reason: reason}]} = outcome
      assert {:unknown, {:timeout, 1_500}, _} = reason
      Link.resume(device.link)
      assert %{status: :done} = Workbench.push(bench, device)
      assert Device.call(device, Desk.Plain, :v, []) == :two
      assert Workbench.push(bench, device).round_trips == 1
    end

    test "a device without Elixir is refused" do
      bench = Workbench.new(:desk, @source)
      device = Device.start(erlang_only: true)
      outcome = Workbench.push(bench, device)
      assert %{status: :refused, refusals: [%{reason: :no_elixir}]} = outcome
    end
  end
end
