defmodule Hotpush.CLI.Progress do
  @moduledoc """
  The progress line on a terminal: it says what the command is doing, after the first second.

  In a pipe, with `--quiet` and with `--json -`, there is none.
  """

  use GenServer

  alias Hotpush.{Config, Text}
  alias Hotpush.Push.Isolation

  @after_ms 1_000
  @every_ms 200

  @doc "Starts the progress line if there is a terminal."
  @spec start(Config.t()) :: pid() | nil
  def start(%Config{verbosity: :quiet}), do: nil
  def start(%Config{json: "-"}), do: nil

  def start(%Config{}) do
    # Elixir's start script sets this if both outputs are a terminal. (`:io.columns/0` alone cannot
    # tell: without a shell, it returns enotsup on OTP 25.)
    if IO.ANSI.enabled?() do
      columns = with {:error, _} <- :io.columns(), do: {:ok, 80}
      {:ok, pid} = GenServer.start_link(__MODULE__, elem(columns, 1))
      pid
    end
  end

  @doc "Allows the line to appear: nothing else writes to the terminal any more."
  @spec show(pid() | nil) :: :ok
  def show(nil), do: :ok
  def show(pid), do: GenServer.cast(pid, :show)

  @doc "Sets what the line says."
  @spec step(pid() | nil, term()) :: :ok
  def step(nil, _step), do: :ok
  def step(pid, step), do: GenServer.cast(pid, step)

  @doc "Prints a line that stays, above the progress line if there is one."
  @spec line(pid() | nil, IO.device(), String.t()) :: :ok
  def line(nil, where, text), do: IO.puts(where, Text.printable(text))
  def line(pid, where, text), do: GenServer.cast(pid, {:line, where, text})

  @doc "Removes the line."
  @spec stop(pid() | nil) :: :ok
  def stop(nil), do: :ok

  def stop(pid) do
    if Process.alive?(pid), do: GenServer.stop(pid)
    Isolation.quit(pid)
  end

  @impl true
  def init(columns) do
    {:ok, %{columns: columns, text: "", shown: nil}}
  end

  @impl true
  def handle_cast({:line, where, text}, state) do
    if state.shown, do: write("", state.columns)
    IO.puts(where, Text.printable(text))
    {:noreply, %{state | shown: nil}}
  end

  def handle_cast(:show, state) do
    Process.send_after(self(), :show, @after_ms)
    {:noreply, state}
  end

  def handle_cast(step, state), do: {:noreply, %{state | text: text(step)}}

  @impl true
  def handle_info(:show, state) do
    Process.send_after(self(), :show, @every_ms)
    if state.text != state.shown, do: write(state.text, state.columns)
    {:noreply, %{state | shown: state.text}}
  end

  @impl true
  def terminate(_reason, %{shown: nil}), do: :ok
  def terminate(_reason, state), do: write("", state.columns)

  defp text({:connecting, name}), do: "connecting to #{name} ..."
  defp text({:asking, name}), do: "asking #{name} what it runs ..."
  defp text({:asking_again, name}), do: "asking #{name} again what it runs ..."
  defp text({:loading, name, what}), do: "#{what} on #{name} ..."
  defp text({:sent, count, all}), do: "#{count} of #{all} modules sent ..."

  defp write(text, columns) do
    shown = text |> Text.printable() |> String.slice(0, max(columns - 1, 10))
    # CSI K erases to the end of the line (ECMA-48, EL).
    IO.write(["\r", shown, "\e[K\r"])
  end
end
