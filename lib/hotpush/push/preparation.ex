defmodule Hotpush.Push.Preparation do
  @moduledoc "What has to be there before devices can be reached, and goes when that is over."

  alias Hotpush.Config.Target
  alias Hotpush.Discovery.Names
  alias Hotpush.{Error, Turn}
  alias Hotpush.Push.Engine

  # How long the network is asked for names.
  @search_ms 2_000

  @doc """
  Calls `fun` while the names under `.local` that only mDNS knows are known in this VM. Asking for
  them takes at most `timeout` ms. (ssh has ways of its own to know them.)
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
    Turn.take(:prepare, fn -> Engine.prepare(target) end)
  end
end
