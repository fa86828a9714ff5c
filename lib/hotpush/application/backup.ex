defmodule Hotpush.Application.Backup do
  @moduledoc """
  The state of the processes of `Hotpush.Application`, for those that the supervisor starts in their
  place. It is in a table that the supervisor owns.
  """

  @doc "Creates the table, which lives as long as the caller."
  @spec new() :: :ok
  def new do
    :ets.new(__MODULE__, [:named_table, :public])
    :ok
  end

  @doc "Keeps the state of a process, and returns it."
  @spec put(module(), state) :: state when state: term()
  def put(module, state) do
    :ets.insert(__MODULE__, {module, state})
    state
  end

  @doc "The state of the process before this one."
  @spec get(module(), state) :: state when state: term()
  def get(module, none) do
    case :ets.lookup(__MODULE__, module) do
      [{_, state}] -> state
      [] -> none
    end
  end

  @doc "Deletes the state, after it was undone."
  @spec delete(module()) :: :ok
  def delete(module) do
    :ets.delete(__MODULE__, module)
    :ok
  end
end
