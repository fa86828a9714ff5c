defmodule Hotpush.Transport.ChildEnv.Withheld do
  @moduledoc """
  The variables that hold a cookie without saying so in their names: those that `hotpush.toml`
  names, for as long as this VM runs.
  """

  use GenServer

  alias Hotpush.Application.Backup

  @doc "Starts it."
  @spec start_link(term()) :: GenServer.on_start()
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "From now on, programs that Hotpush starts do not get these variables."
  @spec add([String.t()]) :: :ok
  def add([]), do: :ok
  def add(names), do: GenServer.call(__MODULE__, {:add, names}, :infinity)

  @doc "Their names."
  @spec names() :: MapSet.t(String.t())
  def names, do: GenServer.call(__MODULE__, :names, :infinity)

  @impl true
  def init(_), do: {:ok, Backup.get(__MODULE__, MapSet.new())}

  @impl true
  def handle_call({:add, names}, _from, known),
    do: {:reply, :ok, Backup.put(__MODULE__, MapSet.union(known, MapSet.new(names)))}

  def handle_call(:names, _from, known), do: {:reply, known, known}
end
