defmodule Hotpush.Config.DevicesArguments do
  @moduledoc "The command line of `mix hotpush.devices`, strictly. Pure."

  alias Hotpush.Discovery.Search
  alias Hotpush.Error

  @switches [json: :string, only: [:string, :keep], timeout: :integer]
  @timeout 5_000
  @longest 600_000

  @type t :: %{json: Path.t() | nil, only: [atom()], timeout: pos_integer()}

  @doc """
  What was asked for, or what is wrong with it.

      iex> Hotpush.Config.DevicesArguments.parse(["--only", "mdns"])
      {:ok, %{json: nil, only: [:mdns], timeout: 5000}}
  """
  @spec parse([String.t()]) :: {:ok, t()} | {:error, Error.t()}
  def parse(argv) do
    case OptionParser.parse(argv, strict: @switches) do
      {options, [], []} -> options(options)
      {_, [argument | _], []} -> usage(argument, {:unexpected_argument, "hotpush.devices"})
      {_, _, [{"--timeout", got} | _]} -> bad_timeout(got || "nothing")
      {_, _, [{"--only", _} | _]} -> bad_only("nothing")
      {_, _, [{"--json", _} | _]} -> usage("--json", {:bad_value, "nothing", "a path, or -"})
      {_, _, [{option, _} | _]} -> usage(option, {:unknown_option, "hotpush.devices"})
    end
  end

  @doc "Where `--json` wants the document, also when something else in `argv` is wrong."
  @spec json([String.t()]) :: Path.t() | nil
  def json(argv) do
    {options, _, _} = OptionParser.parse(argv, strict: @switches)
    options[:json]
  end

  defp options(options) do
    only = Keyword.get_values(options, :only)
    known = Map.new(Search.names(), &{to_string(&1), &1})

    with {:only, nil} <- {:only, Enum.find(only, &(not Map.has_key?(known, &1)))},
         ms when ms in 1..@longest <- Keyword.get(options, :timeout, @timeout) do
      {:ok, %{json: options[:json], only: Enum.map(only, &known[&1]), timeout: ms}}
    else
      {:only, name} -> bad_only(name)
      ms -> bad_timeout(ms)
    end
  end

  defp bad_only(got),
    do: usage("--only", {:bad_value, got, Enum.join(Search.names(), " or ")})

  defp bad_timeout(got) do
    usage("--timeout", {:bad_value, got, "a number of milliseconds, at most #{@longest}"})
  end

  defp usage(subject, reason), do: {:error, Error.new(:usage, subject, reason)}
end
