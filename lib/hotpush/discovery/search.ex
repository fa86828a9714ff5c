defmodule Hotpush.Discovery.Search do
  @moduledoc "Runs all ways to find devices, side by side."

  alias Hotpush.Discovery.Found
  alias Hotpush.Error
  alias Hotpush.Push.Isolation

  @ways [
    mdns: Hotpush.Discovery.Mdns,
    epmd: Hotpush.Discovery.Epmd,
    adb: Hotpush.Discovery.Adb
  ]
  @timeout 2_000

  @doc "The names of the built-in ways."
  @spec names() :: [atom()]
  def names, do: Keyword.keys(@ways)

  @doc """
  Runs all ways side by side. If one of them hangs, raises or returns something invalid, that is an error,
  and the others still work.

  Options: `:timeout` in ms (2000); `:only`, some of `names/0`; `:own`, the project's modules, which
  `:only` leaves out; `:hosts`, which all ways get; and `:needed`, the ways that devices of the
  configuration need. A missing adb is an error only if it is in `:needed` or in `:only`.
  """
  @spec all(keyword()) :: {[Found.t()], [Error.t()]}
  def all(options \\ []) do
    timeout = Keyword.get(options, :timeout, @timeout)
    deadline = now() + timeout
    # Shorter, so that a way that takes all of its time still returns within ours.
    given = [timeout: max(timeout - 200, div(timeout, 2)), hosts: options[:hosts] || []]

    {found, errors} =
      for({name, way} <- ways(options), do: {name, start(way, given)})
      |> Enum.map(fn {name, started} -> await(name, started, deadline, timeout) end)
      |> Enum.reduce({[], []}, fn
        {:ok, found}, {all, errors} -> {all ++ found, errors}
        {:error, error}, {all, errors} -> {all, errors ++ [error]}
      end)

    asked = (options[:only] || []) ++ (options[:needed] || [])
    {Found.merge(found), Enum.reject(errors, &(&1.reason == :adb_missing and :adb not in asked))}
  end

  defp ways(options) do
    case options[:only] || [] do
      [] -> @ways ++ for way <- options[:own] || [], do: {way, way}
      only -> Keyword.take(@ways, only)
    end
  end

  # It returns its answer as its exit reason: nothing else of it can reach the caller.
  defp start(way, options) do
    Isolation.spawn(fn ->
      exit(
        {__MODULE__,
         try do
           way.discover(options)
         rescue
           error in UndefinedFunctionError -> undefined(error, way)
           error -> {:raised, Exception.message(error)}
         catch
           kind, reason -> {:raised, Exception.format_banner(kind, reason)}
         end}
      )
    end)
  end

  defp undefined(%{module: way, function: :discover, arity: 1}, way), do: :undefined
  defp undefined(error, _way), do: {:raised, Exception.message(error)}

  defp await(name, {pid, monitor}, deadline, timeout) do
    receive do
      {:DOWN, ^monitor, :process, _, {__MODULE__, answer}} -> answer(name, answer)
      {:DOWN, ^monitor, :process, _, reason} -> failed(name, {:raised, inspect(reason)})
    after
      max(deadline - now(), 0) ->
        Process.demonitor(monitor, [:flush])
        Process.exit(pid, :kill)
        failed(name, {:timeout, timeout})
    end
  end

  defp answer(name, {:ok, found} = ok) when is_list(found) do
    if Enum.all?(found, &found?/1), do: ok, else: failed(name, {:bad_answer, inspect(found)})
  end

  defp answer(_name, {:error, %Error{}} = error), do: error
  defp answer(name, {:raised, text}), do: failed(name, {:raised, text})

  defp answer(name, :undefined),
    do: failed(name, if(Code.ensure_loaded?(name), do: :no_such_way, else: :way_not_compiled))

  defp answer(name, other), do: failed(name, {:bad_answer, inspect(other)})

  defp found?(%Found{how: how, name: name} = found) do
    is_atom(how) and is_binary(name) and (is_nil(found.host) or is_binary(found.host)) and
      Enum.all?(found.addresses, &is_binary/1) and Enum.all?(found.also, &is_atom/1) and
      (is_nil(found.notice) or is_struct(found.notice, Error)) and
      Enum.all?(found.targets, &is_struct(&1, Hotpush.Config.Target)) and
      Enum.all?(
        found.offers,
        &match?({kind, text} when kind in [:node, :ssh] and is_binary(text), &1)
      )
  rescue
    _improper -> false
  end

  defp found?(_other), do: false

  defp failed(name, reason), do: {:error, Error.new(:discover, name, reason)}

  defp now, do: System.monotonic_time(:millisecond)
end
