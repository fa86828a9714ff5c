defmodule Hotpush.Push.Preparation do
  @moduledoc "Sets up what is needed to reach devices, and undoes it at the end."

  alias Hotpush.Config.Target
  alias Hotpush.Discovery.Names
  alias Hotpush.{Error, Turn}
  alias Hotpush.Push.Engine.Preparer

  # How long to ask the network for names.
  @search_ms 2_000

  @doc """
  Calls `fun` while this VM knows the names under `.local` that only mDNS knows. Asking for them takes
  at most `timeout` ms. (ssh gets them in another way.)
  """
  @spec named([Target.t()], pos_integer(), (() -> answer)) :: answer when answer: term()
  def named(targets, timeout, fun) do
    targets |> Enum.filter(& &1.node) |> Names.hosts() |> Names.lend(min(timeout, @search_ms))
    fun.()
  after
    Names.give_back()
  end

  @doc "Prepares a target again, in the course of the engine's work."
  @spec again(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def again(target) do
    if target.node, do: Names.lend(Names.hosts([target]), @search_ms)
    Turn.take(:prepare, fn -> Preparer.prepare(target) end)
  end
end
