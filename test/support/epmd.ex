defmodule Hotpush.Test.Epmd do
  @moduledoc "The machine's epmd, shared by all runs."

  @doc "Starts epmd unless it is running, and waits until it answers."
  @spec ensure() :: :ok
  def ensure do
    unless running?() do
      {_, 0} = System.cmd(executable(), ["-daemon"])
      Hotpush.Test.Until.until("epmd to answer", &running?/0)
    end

    :ok
  end

  @doc """
  Registers a name for a port, as a node does: as long as the returned connection stays open (ERTS
  User's Guide, Distribution Protocol, ALIVE2_REQ).
  """
  @spec register(String.t(), :inet.port_number()) :: :gen_tcp.socket()
  def register(name, port) do
    ensure()
    {:ok, epmd} = :gen_tcp.connect({127, 0, 0, 1}, 4369, [:binary, active: false])
    size = byte_size(name)
    request = <<120, port::16, 77, 0, 6::16, 5::16, size::16, name::binary, 0::16>>
    :ok = :gen_tcp.send(epmd, <<byte_size(request)::16, request::binary>>)
    {:ok, <<_, 0, _::binary>>} = :gen_tcp.recv(epmd, 0, 5_000)
    epmd
  end

  @doc "Ends the epmd on a port that a test has for itself, if a command has started one there."
  @spec stop(:inet.port_number()) :: :ok
  def stop(port) when port != 4369 do
    kill = ["-port", "#{port}", "-kill"]

    # epmd does not end while it knows a node, and a device ends a moment after its test.
    Hotpush.Test.Until.until("the epmd at #{port} to end", fn ->
      {output, _status} = System.cmd(executable(), kill, stderr_to_stdout: true)
      output =~ ~r/Killed|Cannot connect/
    end)

    :ok
  end

  @doc "What `epmd -names` prints for the epmd on such a port."
  @spec listed(:inet.port_number()) :: String.t()
  def listed(port) do
    {output, 0} = System.cmd(executable(), ["-port", "#{port}", "-names"])
    output
  end

  @doc "The names that are registered now."
  @spec names() :: [String.t()]
  def names do
    {:ok, names} = :erl_epmd.names({127, 0, 0, 1})
    for {name, _port} <- names, do: to_string(name)
  end

  @doc "The registered names of this device and of hosts: devices of other tests come and go."
  @spec names(node()) :: [String.t()]
  def names(device) do
    [own, _host] = device |> to_string() |> String.split("@")
    Enum.filter(names(), &(&1 == own or String.starts_with?(&1, "hotpush_")))
  end

  defp running?, do: match?({:ok, _}, :erl_epmd.names({127, 0, 0, 1}))

  defp executable do
    System.find_executable("epmd") ||
      [:code.root_dir(), "erts-*", "bin", "epmd"] |> Path.join() |> Path.wildcard() |> hd()
  end
end
