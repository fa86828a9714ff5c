defmodule Hotpush.Application.Backup do
  @moduledoc """
  What the processes of `Hotpush.Application` know, for those that the supervisor starts in their
  place: a table of the supervisor's.
  """

  @doc "Makes the table. It is there for as long as the caller."
  @spec new() :: :ok
  def new do
    :ets.new(__MODULE__, [:named_table, :public])
    :ok
  end

  @doc "Keeps what a process knows; answers it."
  @spec put(module(), state) :: state when state: term()
  def put(module, state) do
    :ets.insert(__MODULE__, {module, state})
    state
  end

  @doc "What the process before this one knew."
  @spec get(module(), state) :: state when state: term()
  def get(module, none) do
    case :ets.lookup(__MODULE__, module) do
      [{_, state}] -> state
      [] -> none
    end
  end

  @doc "Forgets it: it is undone."
  @spec delete(module()) :: :ok
  def delete(module) do
    :ets.delete(__MODULE__, module)
    :ok
  end
end
