defmodule Hotpush.Push.Packing do
  @moduledoc "What a plan sends to a device: its modules, packed, and what goes with them."

  alias Hotpush.{Config, Error, Plan, Scanner}
  alias Hotpush.Protocol.{Session, Stub}
  alias Hotpush.Push.Visit
  alias Hotpush.Scanner.Problems

  @typedoc "By the names of the modules."
  @type packed :: %{String.t() => Scanner.packed()}

  @doc "Packs the modules that the plan loads. Errors: files that cannot be used any more."
  @spec run(Visit.t(), Plan.t()) :: {:ok, packed()} | {:error, [Error.t(), ...]}
  def run(visit, plan) do
    files = for action <- plan.load, do: {action.beam.entry.path, to_string(action.app)}

    case results(visit, files) do
      {:ok, results} -> sorted(plan, results)
      {:error, error} -> {:error, [error]}
    end
  end

  defp results(%{pack: nil} = visit, files),
    do: {:ok, visit.scanner.pack(files, keep: visit.project.keep)}

  defp results(visit, files), do: visit.pack.(files)

  defp sorted(plan, results) do
    packed = for {:ok, packed} <- results, into: %{}, do: {packed.module, packed}
    problems = for {:error, problem} <- results, do: problem

    case Problems.errors(problems ++ rewritten(plan, packed, problems)) do
      [] -> {:ok, packed}
      errors -> {:error, errors}
    end
  end

  # Between scan and pack another module took a file's place.
  defp rewritten(plan, packed, []) do
    for action <- plan.load, not Map.has_key?(packed, action.module) do
      %{path: action.beam.entry.path, kind: :changed_while_reading, detail: ""}
    end
  end

  defp rewritten(_plan, _packed, _problems), do: []

  @doc "What the device is to do."
  @spec work(Config.t(), Plan.t(), packed()) :: Session.work()
  def work(config, plan, packed) do
    %{
      load: for(a <- plan.load, do: {a.module, a.app, packed[a.module].beam}),
      remove: for(a <- plan.remove, do: {a.module, a.app, stub(a)}),
      purge: config.purge,
      force: config.force?,
      who: config.who
    }
  end

  defp stub(%{restore?: true}), do: ""
  defp stub(action), do: Stub.beam(action.module, action.app)
end
