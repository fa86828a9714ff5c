defmodule Blinky.Led do
  @moduledoc "The light. Its state, on or off and how often it blinked, outlives a hot swap."

  use GenServer

  @half_period 250

  def start_link(_opts), do: GenServer.start_link(__MODULE__, :off, name: __MODULE__)

  def blinks, do: GenServer.call(__MODULE__, :blinks)

  @impl true
  def init(light) do
    schedule()
    {:ok, %{light: light, blinks: 0}}
  end

  @impl true
  def handle_call(:blinks, _from, state), do: {:reply, state.blinks, state}

  @impl true
  def handle_info(:toggle, state) do
    schedule()
    {:noreply, toggle(state)}
  end

  # A board would set a GPIO here.
  defp toggle(%{light: :off} = state), do: %{state | light: :on, blinks: state.blinks + 1}
  defp toggle(%{light: :on} = state), do: %{state | light: :off}

  defp schedule, do: Process.send_after(self(), :toggle, @half_period)
end
