defmodule Hotpush.Test.Epmd do
  @moduledoc "The machine's epmd, shared by all runs."

  @doc "Starts epmd unless it runs, and waits until it answers."
  @spec ensure() :: :ok
  def ensure do
    unless running?() do
      {_, 0} = System.cmd(executable(), ["-daemon"])
      Hotpush.Test.Until.until("epmd to answer", &running?/0)
    end

    :ok
  end

  @doc "The names that are registered now."
  @spec names() :: [String.t()]
  def names do
    {:ok, names} = :erl_epmd.names({127, 0, 0, 1})
    for {name, _port} <- names, do: to_string(name)
  end

  @doc "Of a device or a host of hotpush's, what is registered: devices of other tests come and go."
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
