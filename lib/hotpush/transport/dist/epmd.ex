defmodule Hotpush.Transport.Dist.Epmd do
  @moduledoc "The port mapper daemon of a host: which node listens on which port."

  @port 4369
  @loopback {127, 0, 0, 1}

  @doc "The port that the emulator uses: `erl` also turns ERL_EPMD_PORT into this argument."
  @spec port() :: :inet.port_number()
  def port do
    with {:ok, [[port | _] | _]} <- :init.get_argument(:epmd_port),
         {port, ""} <- port |> to_string() |> Integer.parse() do
      port
    else
      _ -> @port
    end
  end

  @doc "The nodes that it knows, without their host part, within `timeout` ms."
  @spec names(:inet.ip_address(), pos_integer()) ::
          {:ok, [{String.t(), :inet.port_number()}]} | {:error, term()}
  def names(address, timeout) do
    # The names come over a connection that has no time limit of its own.
    task = Task.async(fn -> :erl_epmd.names(address) end)

    case Task.yield(task, timeout) || Task.shutdown(task, :brutal_kill) do
      {:ok, {:ok, names}} -> {:ok, for({name, port} <- names, do: {to_string(name), port})}
      {:ok, {:error, why}} -> {:error, why}
      _ -> {:error, :timeout}
    end
  end

  @doc "The nodes that this host's epmd knows. Starts epmd if it is not running."
  @spec local(pos_integer()) :: {:ok, [{String.t(), :inet.port_number()}]} | {:error, term()}
  def local(timeout) do
    with {:error, _} <- names(@loopback, timeout), :ok <- start(), do: wait(timeout)
  end

  # It keeps running, as it does when a node starts it.
  defp start do
    case System.find_executable("epmd") || beside_the_emulator() do
      nil ->
        {:error, :enoent}

      epmd ->
        # It keeps running after this VM has ended.
        options = [stderr_to_stdout: true, env: Hotpush.Transport.ChildEnv.env()]
        System.cmd(epmd, ["-port", "#{port()}", "-daemon"], options)
        :ok
    end
  end

  defp beside_the_emulator do
    [:code.root_dir(), "erts-*", "bin", "epmd"] |> Path.join() |> Path.wildcard() |> List.first()
  end

  defp wait(left) when left <= 0, do: {:error, :timeout}

  defp wait(left) do
    with {:error, _} <- names(@loopback, left) do
      receive do
      after
        50 -> wait(left - 50)
      end
    end
  end
end
