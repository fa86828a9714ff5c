defmodule Hotpush.Push.Packing do
  @moduledoc "Packs what a plan sends to a device."

  alias Hotpush.{Error, Plan, Scanner}
  alias Hotpush.Plan.Steps
  alias Hotpush.Protocol.{Chunks, Requests}
  alias Hotpush.Push.Visit
  alias Hotpush.Scanner.Problems

  @typedoc "Packed modules by name."
  @type packed :: %{String.t() => Scanner.packed()}

  @doc "Packs the modules that the plan needs. Returns errors for files that can no longer be used."
  @spec run(Visit.t(), Plan.t()) :: {:ok, packed()} | {:error, [Error.t(), ...]}
  def run(visit, plan) do
    files = Steps.files(plan.steps)

    case results(visit, for(file <- files, do: {file.path, to_string(file.app)})) do
      {:ok, results} -> sorted(files, results)
      {:error, error} -> {:error, [error]}
    end
  end

  defp results(%{pack: nil} = visit, files),
    do: {:ok, visit.scanner.pack(files, keep: visit.project.keep)}

  defp results(visit, files), do: visit.pack.(files)

  defp sorted(files, results) do
    packed = for {:ok, packed} <- results, into: %{}, do: {packed.module, packed}
    problems = for {:error, problem} <- results, do: problem

    case Problems.errors(problems ++ rewritten(files, packed, problems)) do
      [] -> {:ok, packed}
      errors -> {:error, errors}
    end
  end

  # Between scanning and packing, another module took the place of the file's.
  defp rewritten(files, packed, []) do
    for file <- files, not Map.has_key?(packed, file.module) do
      %{path: file.path, kind: :changed_while_reading, posix: nil, detail: ""}
    end
  end

  defp rewritten(_files, _packed, _problems), do: []

  @doc "What the device has to do."
  @spec work(Visit.t(), Plan.t(), packed()) :: Requests.work()
  def work(%{config: config} = visit, plan, packed) do
    steps = Steps.pack(plan.steps, packed)

    %{
      steps: steps,
      chunks: fn -> visit.shared.(steps, fn -> Chunks.of(steps) end) end,
      purge: config.purge,
      force: config.force?,
      who: config.who
    }
  end
end
