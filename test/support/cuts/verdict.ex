defmodule Hotpush.Test.Cuts.Verdict do
  @moduledoc "Judges the result of a push over a broken link, and the state of the device. Pure."

  alias Hotpush.Report.Result

  @typedoc """
  One push over a broken link. `:runs` is what the device was seen to run at the end: all old modules,
  all new ones, or some of each.
  """
  @type trial :: %{
          required(:fault) => atom(),
          required(:runs) => :old | :new | :half,
          optional(atom()) => term()
        }

  @doc "The faults after which the device can be asked again, a moment later."
  @spec passing() :: [atom()]
  def passing, do: [:cut_once, :stall_once]

  @doc "What is wrong, as sentences."
  @spec of(trial(), Result.t()) :: [String.t()]
  def of(%{runs: :half}, _outcome), do: ["half old and half new"]
  def of(%{runs: :old}, %{status: :done}), do: ["said done, runs the old code"]
  def of(%{runs: :new}, %{status: :failed}), do: ["said failed, runs the new code"]
  def of(_trial, %{status: :refused}), do: ["refused"]

  def of(%{fault: fault}, %{status: :unknown} = outcome) do
    for {true, what} <- [
          {fault in passing(), "said unknown, but the device could have been asked"},
          {outcome.loaded ++ outcome.added != [], "said unknown, but names modules"}
        ],
        do: what
  end

  def of(_trial, _outcome), do: []

  @doc "What is wrong with the two pushes after it, when the link works again."
  @spec afterwards(Result.t(), Result.t()) :: [String.t()]
  def afterwards(%{status: status}, _) when status != :done, do: ["the next push is #{status}"]
  def afterwards(_, %{round_trips: 1, loaded: [], added: []}), do: []
  def afterwards(_, _), do: ["the push after the next one has something to do"]
end
