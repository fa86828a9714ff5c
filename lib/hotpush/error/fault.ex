defmodule Hotpush.Error.Fault do
  @moduledoc """
  What a message may say about a bug in Hotpush: the kind of the exception, and where it was raised.
  The data is left out, since it may contain a secret. Pure.
  """

  alias Hotpush.Error

  @doc """
  The error for what was caught (`kind` and `reason` as in `catch`), or for a process's exit reason.

      iex> error = Hotpush.Error.Fault.error("the build", :error, %KeyError{key: :a}, [])
      iex> error.reason
      {:fault, "KeyError", nil}
      iex> stack = [{:lists, :map, 2, []}, {Hotpush.Plan, :build, ["secret"], []}]
      iex> Hotpush.Error.Fault.error("a@b", :exit, {:noproc, stack}, []).reason
      {:fault, "exit noproc", "Hotpush.Plan.build/1"}
  """
  @spec error(term(), :error | :exit | :throw, term(), Exception.stacktrace()) :: Error.t()
  def error(subject, :exit, {reason, [frame | _] = stack}, _) when tuple_size(frame) == 4 do
    kind = if is_exception(reason), do: :error, else: :exit
    error(subject, kind, reason, stack)
  end

  def error(subject, kind, reason, stack),
    do: Error.new(:fault, subject, {:fault, what(kind, reason), where(stack)})

  defp what(:error, reason), do: inspect(Exception.normalize(:error, reason, []).__struct__)
  defp what(kind, reason), do: String.trim("#{kind} #{tag(reason)}")

  defp tag(reason) when is_atom(reason), do: reason
  defp tag(reason) when is_tuple(reason) and tuple_size(reason) > 0, do: tag(elem(reason, 0))
  defp tag(_reason), do: ""

  # The innermost place in Hotpush's own code.
  defp where(stack) do
    Enum.find_value(stack, fn
      {module, function, arity, _} ->
        if inspect(module) =~ ~r/^Hotpush\b/, do: place(module, function, arity)

      _ ->
        nil
    end)
  end

  defp place(module, function, arguments) when is_list(arguments),
    do: place(module, function, length(arguments))

  defp place(module, function, arity), do: Exception.format_mfa(module, function, arity)
end
