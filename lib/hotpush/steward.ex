defmodule Hotpush.Steward do
  @moduledoc """
  Keeps what this VM has once, and all its pushes share: a process that is started when it is first
  asked, and belongs to none of those who ask.
  """

  @doc "Asks the server `module`, of which there is one in a VM."
  @spec call(module(), term()) :: term()
  def call(module, request) do
    unless Process.whereis(module), do: GenServer.start(module, [], name: module)
    GenServer.call(module, request, :infinity)
  end

  @doc """
  Parts with whatever application the first to ask was part of: when that stops, whoever has its
  group leader is ended.
  """
  @spec settle() :: true
  def settle, do: Process.group_leader(self(), Process.whereis(:init))
end
