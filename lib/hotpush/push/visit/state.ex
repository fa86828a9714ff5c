defmodule Hotpush.Push.Visit.State do
  @moduledoc "What all phases of a visit do to its state."

  alias Hotpush.Error
  alias Hotpush.Push.Visit
  alias Hotpush.Report.Result

  @doc "No phase has anything left to do."
  @spec over(Visit.t()) :: Visit.t()
  def over(visit), do: %{visit | over?: true}

  @doc "The visit is over because of an error."
  @spec failed(Visit.t(), Error.t()) :: Visit.t()
  def failed(visit, error), do: over(%{visit | result: Result.failed(visit.result, error)})

  @doc "Sets the time of a step, in ms: see `Hotpush.Report.ms/2`."
  @spec put_ms(Visit.t(), atom(), number()) :: Visit.t()
  def put_ms(visit, key, ms), do: update_in(visit.result.ms, &Map.put(&1, key, ms))

  @doc "Adds to the time of a step."
  @spec add_ms(Visit.t(), atom(), number()) :: Visit.t()
  def add_ms(visit, key, ms),
    do: update_in(visit.result.ms, &Map.update(&1, key, ms, fn before -> before + ms end))
end
