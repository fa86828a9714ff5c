defmodule Hotpush.Push.Preparation do
  @moduledoc "What has to be there before devices can be reached, and goes when that is over."

  alias Hotpush.Discovery.Names
  alias Hotpush.Error
  alias Hotpush.Config.Target
  alias Hotpush.Push.{Isolation, Turn}

  # How long the network is asked for names.
  @search_ms 2_000

  @doc """
  Calls `fun` with the targets, each beside what came of preparing it. Names under `.local` that
  only mDNS knows are known until it has answered; asking for them takes at most `timeout` ms. (ssh
  has ways of its own to know them.)
  """
  @spec prepared([Target.t()], pos_integer(), ([{Target.t(), prepared}] -> answer)) :: answer
        when answer: term(), prepared: {:ok, Target.t()} | {:error, Error.t()}
  def prepared(targets, timeout, fun) do
    nodes = Enum.filter(targets, & &1.node)
    Names.lend(Names.hosts(nodes), min(timeout, @search_ms))

    try do
      # A transport prepares one after the other: all share this VM's one node.
      targets |> Enum.map(&{&1, prepare(&1)}) |> fun.()
    after
      targets |> Enum.map(& &1.transport) |> Enum.uniq() |> Enum.each(& &1.finish())
      Names.give_back()
    end
  end

  @doc "Prepares one of these targets once more, in the course of `fun`."
  @spec prepare_again(Target.t()) :: {:ok, Target.t()} | {:error, Error.t()}
  def prepare_again(target) do
    if target.node, do: Names.lend(Names.hosts([target]), @search_ms)
    Turn.take(fn -> prepare(target) end)
  end

  defp prepare(target) do
    with {:ok, prepared} <- Isolation.caught(target.name, fn -> Target.prepare(target) end),
         do: prepared
  end
end
