defmodule Hotpush.Scanner.Problems do
  @moduledoc """
  What a scanner could not use, as errors: the first ones, and a count of the others, so that a
  damaged build of any size can be shown and kept. Pure.
  """

  alias Hotpush.{Error, Scanner}

  @shown 20

  @doc """
  At most 21 errors, in the order of the problems.

      iex> problems = for n <- 10..99, do: %{path: "a\#{n}.beam", kind: :empty, posix: nil, detail: ""}
      iex> errors = Hotpush.Scanner.Problems.errors(problems)
      iex> {length(errors), hd(errors).subject, List.last(errors).reason}
      {21, "a10.beam", {:more_problems, 70}}
      iex> problem = %{path: "a.beam", kind: :unreadable, posix: :eacces, detail: "permission denied"}
      iex> hd(Hotpush.Scanner.Problems.errors([problem])).reason
      {:unreadable, :eacces, "permission denied"}
      iex> problems |> Enum.take(20) |> Hotpush.Scanner.Problems.errors() |> length()
      20
  """
  @spec errors([Scanner.problem()]) :: [Error.t()]
  def errors(problems) do
    {shown, rest} = Enum.split(problems, @shown)
    errors = Enum.map(shown, &Error.new(:scan, &1.path, reason(&1)))

    case length(rest) do
      0 -> errors
      more -> errors ++ [Error.new(:scan, "the build", {:more_problems, more})]
    end
  end

  defp reason(%{posix: nil} = problem), do: {problem.kind, problem.detail}
  defp reason(problem), do: {problem.kind, problem.posix, problem.detail}
end
