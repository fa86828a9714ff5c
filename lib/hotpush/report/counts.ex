defmodule Hotpush.Report.Counts do
  @moduledoc "A report as a count and a list of failures. Pure."

  alias Hotpush.{Error, Report}
  alias Hotpush.Report.Result

  @typedoc """
  How many modules were loaded or removed, and the failures. A module counts once, and only if it
  succeeded on all devices. `module` is `nil` if the failure is about the whole device, and a string
  if this VM has no such module. `node` is the name of the device if the device is not a node.
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

  # The names of removed modules come from the device.
  defp existing(name) do
    String.to_existing_atom(name)
  rescue
    ArgumentError -> name
  end
end
