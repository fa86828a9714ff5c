defmodule Hotpush.Report.Counts do
  @moduledoc "A report as a count and a list of failures. Pure."

  alias Hotpush.{Error, Report}
  alias Hotpush.Report.Result

  @typedoc """
  How many modules were pushed (loaded, or removed; once however many devices took them, and not
  if one did not), and what failed: `module` is `nil` where it is about the device as a whole, and
  text where this VM has no such module; `node` is the name of the device where that is no node.
  """
  @type t :: {pushed_count :: non_neg_integer(), failed_list :: [failed()]}
  @type failed :: {module() | String.t() | nil, node() | String.t(), Error.t()}

  @doc "Counts."
  @spec of(Report.t()) :: t()
  def of(%Report{outcomes: outcomes}) do
    failed = Enum.flat_map(outcomes, &failed/1)
    pushed = for o <- outcomes, name <- o.loaded ++ o.added ++ o.deleted, uniq: true, do: name
    not_pushed = for {module, _, _} <- failed, module != nil, do: to_string(module)
    {length(pushed -- not_pushed), failed}
  end

  defp failed(%Result{} = outcome) do
    for error <- outcome.refusals ++ outcome.failures,
        do: {module(error), outcome.target.node || outcome.target.name, error}
  end

  defp module(%Error{stage: :load, subject: name, reason: reason})
       when is_binary(name) and reason in [:other_code, :still_there],
       do: existing(name)

  defp module(%Error{stage: :load, subject: name, reason: {:not_loaded, _}}),
    do: existing(name)

  defp module(_error), do: nil

  # Of what was to be removed, the device knew the name.
  defp existing(name) do
    String.to_existing_atom(name)
  rescue
    ArgumentError -> name
  end
end
