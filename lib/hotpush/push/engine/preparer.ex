defmodule Hotpush.Push.Engine.Preparer do
  @moduledoc """
  Prepares the targets of `Hotpush.Push.Engine`, one after the other.

  What a transport prepares may belong to the process that asked for it, so this process stays until the
  engine ends it.
  """

  alias Hotpush.Config.Target
  alias Hotpush.Error
  alias Hotpush.Push.Isolation
  alias Hotpush.Transport.Targets

  @doc """
  Starts it, and returns the process and its monitor. The caller gets `{tag, {:prepared, index, prepared}}`
  for each target.
  """
  @spec start(reference()) :: {pid(), reference()}
  def start(tag) do
    collector = self()
    Isolation.spawn(fn -> loop(tag, collector, []) end)
  end

  @doc "Adds targets to prepare."
  @spec add({pid(), reference()}, reference(), [{non_neg_integer(), Target.t()}]) :: :ok
  def add({pid, _monitor}, tag, targets) do
    send(pid, {tag, :prepare, targets})
    :ok
  end

  # The adb server may be slow to start, but the other targets do not wait for it.
  defp loop(tag, collector, waiting) do
    receive do
      {^tag, :prepare, more} ->
        loop(tag, collector, Enum.sort_by(waiting ++ more, &adb?(elem(&1, 1))))
    after
      if(waiting == [], do: :infinity, else: 0) ->
        [{index, target} | waiting] = waiting
        send(collector, {tag, {:prepared, index, prepare(target)}})
        loop(tag, collector, waiting)
    end
  end

  defp adb?(%{way: {:adb, _, _}}), do: true
  defp adb?(_target), do: false

  @doc "Prepares one target: sets up what its transport needs to reach it."
  @spec prepare(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def prepare(target) do
    with {:ok, prepared} <- Isolation.caught(target.name, fn -> Targets.prepare(target) end),
         do: prepared
  end
end
