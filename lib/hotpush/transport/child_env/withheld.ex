defmodule Hotpush.Transport.ChildEnv.Withheld do
  @moduledoc """
  The variables that hold a cookie without saying so in their names: those that `hotpush.toml`
  names, for as long as this VM runs.
  """

  use GenServer

  alias Hotpush.Steward

  @doc "From now on no program that Hotpush starts gets these variables."
  @spec add([String.t()]) :: :ok
  def add([]), do: :ok
  def add(names), do: Steward.call(__MODULE__, {:add, names})

  @doc "Their names."
  @spec names() :: MapSet.t(String.t())
  def names, do: Steward.call(__MODULE__, :names)

  @impl true
  def init(_) do
    Steward.settle()
    {:ok, MapSet.new()}
  end

  @impl true
  def handle_call({:add, names}, _from, known),
    do: {:reply, :ok, MapSet.union(known, MapSet.new(names))}

  def handle_call(:names, _from, known), do: {:reply, known, known}
end
