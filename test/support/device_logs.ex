defmodule Hotpush.Test.DeviceLogs do
  @moduledoc "An ExUnit formatter that shows, below a failed test, what devices wrote during it."

  use GenServer

  @lines 25

  @doc "Records a started device."
  @spec note(Hotpush.Test.Device.t()) :: :ok
  def note(device) do
    if :ets.whereis(__MODULE__) != :undefined,
      do: :ets.insert(__MODULE__, {device.log, device.node})

    :ok
  end

  @doc "Creates the list of devices. Its owner must outlive the tests."
  @spec open() :: :ok
  def open do
    :ets.new(__MODULE__, [:named_table, :public])
    :ok
  end

  @impl true
  def init(_opts), do: {:ok, nil}

  @impl true
  def handle_cast({:test_finished, %{state: {:failed, _}, time: time}}, state) do
    began = System.os_time(:second) - div(time, 1_000_000) - 1
    for {log, node} <- :ets.tab2list(__MODULE__), do: show(node, log, began)
    {:noreply, state}
  end

  def handle_cast(_event, state), do: {:noreply, state}

  defp show(node, log, began) do
    with {:ok, %{mtime: mtime, size: size}} when mtime >= began and size > 0 <-
           File.stat(log, time: :posix) do
      lines = log |> File.read!() |> String.split("\n") |> Enum.take(-@lines)
      IO.puts(["\n  ", to_string(node), " wrote:\n" | Enum.map(lines, &["    ", &1, "\n"])])
    end
  end
end
