defmodule Blinky.Application do
  @moduledoc false

  use Application
  require Logger

  @impl true
  def start(_type, _args) do
    # Where Mix is, it is your computer: iex -S mix starts the application, too.
    unless Code.ensure_loaded?(Mix),
      do: start_distribution(Application.get_env(:blinky, :distribution))

    Supervisor.start_link([Blinky.Led], strategy: :one_for_one, name: Blinky.Supervisor)
  end

  # Nerves does not start Erlang distribution, and hot swapping comes in by it.
  defp start_distribution(nil), do: :ok

  defp start_distribution(options) do
    {_, 0} = System.cmd("epmd", ["-daemon"])
    # It answers a moment after it was started.
    Enum.find(1..50, fn _ -> epmd?() || !Process.sleep(100) end)

    case Node.start(options[:name]) do
      {:ok, _pid} -> Node.set_cookie(options[:cookie])
      {:error, reason} -> Logger.warning("no distribution: #{inspect(reason)}")
    end
  end

  defp epmd?, do: match?({:ok, _}, :erl_epmd.names({127, 0, 0, 1}))
end
