defmodule Hotpush.Plan.Steps do
  @moduledoc """
  The kinds of steps, in the order in which a device carries them out, and functions for all steps of
  a plan together. Pure. See `Hotpush.Plan.Step`.
  """

  alias Hotpush.Plan
  alias Hotpush.Plan.Step
  alias Hotpush.Plan.Step.{Load, Note, Remove}

  @kinds [load: Load, remove: Remove, note: Note]

  @doc "The steps that a plan needs."
  @spec plan(Step.input()) :: [Step.t()]
  def plan(input) do
    for {_, kind} <- @kinds, reduce: [] do
      steps -> steps ++ List.wrap(kind.plan(input, steps))
    end
  end

  @doc "The notices of each kind about a plan."
  @spec notices(Step.input(), [Step.t()]) :: [Plan.notice()]
  def notices(input, steps),
    do: Enum.flat_map(@kinds, fn {_, kind} -> kind.notices(input, steps) end)

  @doc "Why to refuse these steps."
  @spec refusals(Step.input(), [Step.t()]) :: Step.refusals()
  def refusals(input, steps) do
    removes = removes(steps)

    for %kind{} = step <- steps, reduce: %{firm: [], forcible: []} do
      refusals -> join(refusals, kind.refusals(step, input, removes))
    end
  end

  @doc "How many things they change on the device."
  @spec changes([Step.t()]) :: non_neg_integer()
  def changes(steps), do: steps |> Enum.map(&kind(&1).changes(&1)) |> Enum.sum()

  @doc "The modules whose code they replace or remove."
  @spec touches([Step.t()]) :: [String.t()]
  def touches(steps), do: Enum.flat_map(steps, &kind(&1).touches(&1))

  @doc "The modules that no longer exist afterwards."
  @spec removes([Step.t()]) :: [String.t()]
  def removes(steps), do: Enum.flat_map(steps, &kind(&1).removes(&1))

  @doc "The modules to pack."
  @spec files([Step.t()]) :: [Step.file()]
  def files(steps), do: Enum.flat_map(steps, &kind(&1).files(&1))

  @doc "What travels, in order."
  @spec pack([Step.t()], map()) :: [Step.packed()]
  def pack(steps, packed), do: Enum.map(steps, &kind(&1).pack(&1, packed))

  @doc "The agent's modules that they need, besides `hotpush_agent`."
  @spec agents([Step.packed()]) :: [module()]
  def agents(packed),
    do: packed |> Enum.flat_map(fn {name, given} -> @kinds[name].agents(given) end) |> Enum.uniq()

  @doc "What a device would have answered, taken from its description."
  @spec observe([Step.t()], Hotpush.Protocol.Device.t()) :: [{atom(), term()}]
  def observe(steps, device),
    do:
      for(
        {name, kind} <- @kinds,
        %^kind{} = step <- steps,
        do: {name, kind.observe(step, device)}
      )

  @doc "The outcome of all steps, according to the device's answers: their lists, joined."
  @spec read_back([Step.t()], [{atom(), term()}], map(), (String.t() -> term())) :: Step.outcome()
  def read_back(steps, answers, packed, why) do
    for {name, kind} <- @kinds, %^kind{} = step <- steps, reduce: %{failures: [], notices: []} do
      outcome ->
        {_, answer} = List.keyfind(answers, name, 0, {name, nil})

        # A step that accompanies others is not checked if one of those failed.
        if outcome.failures != [] and kind.changes(step) == 0,
          do: outcome,
          else: join(outcome, kind.read_back(step, answer, packed, why))
    end
  end

  defp join(one, other), do: Map.merge(one, other, fn _field, a, b -> a ++ b end)

  @doc "What they are doing, in words."
  @spec progress([Step.t()]) :: String.t()
  def progress(steps) do
    steps |> Enum.map(&kind(&1).progress(&1)) |> Enum.reject(&is_nil/1) |> Enum.join(", ")
  end

  @doc "A line for each thing that a plan would do, by kind."
  @spec would(Plan.t(), String.t()) :: [[String.t()]]
  def would(plan, device), do: each(plan, & &1.would(&2, device))

  @doc "A line for each thing that they did, by kind."
  @spec did(Hotpush.Report.Result.t(), String.t()) :: [[String.t()]]
  def did(result, device), do: for({_, kind} <- @kinds, do: kind.did(result, device))

  @doc "A line with the reason of each thing."
  @spec reasons(Plan.t()) :: [String.t()]
  def reasons(plan), do: plan |> each(& &1.reasons(&2)) |> Enum.concat()

  @doc "The parts of a device's summary, and the verb for what was done."
  @spec summary(Hotpush.Report.Result.t()) :: {[String.t()], String.t()}
  def summary(result) do
    {parts, words} = result.plan |> each(& &1.summary(&2, result)) |> Enum.unzip()
    {Enum.concat(parts), Enum.find(words, "done", & &1)}
  end

  @doc "The fields of `planned` in the JSON document."
  @spec document(Plan.t()) :: keyword()
  def document(plan), do: plan |> each(& &1.document(&2)) |> Enum.concat()

  defp each(plan, fun) do
    for {_, kind} <- @kinds,
        do: fun.(kind, Enum.find(plan.steps, struct!(kind), &is_struct(&1, kind)))
  end

  defp kind(%kind{}), do: kind
end
