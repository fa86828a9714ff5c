defmodule Hotpush.Config.Arguments do
  @moduledoc "The command line, strictly: what it may say, and what is wrong with what it says."

  alias Hotpush.Error

  @switches [
    node: [:string, :keep],
    ssh: [:string, :keep],
    group: [:string, :keep],
    discover: :boolean,
    module: [:string, :keep],
    app: [:string, :keep],
    all: :boolean,
    dry_run: :boolean,
    json: :string,
    compile: :boolean,
    timeout: :integer,
    purge: :string,
    force: :boolean,
    docs: :boolean,
    cookie: :string,
    verbose: :boolean,
    quiet: :boolean
  ]

  @doc "The options and the hosts, in the order given, or what is wrong with them."
  @spec parse([String.t()]) :: {:ok, keyword(), [String.t()]} | {:error, Error.t()}
  def parse(argv) do
    case OptionParser.parse(argv, strict: @switches) do
      {_, _, [{option, nil} | _]} -> unknown_or_valueless(option)
      {_, _, [{option, value} | _]} -> bad(option, value)
      {options, hosts, []} -> hosts(options, hosts)
    end
  end

  @doc "Where `--json` wants the document, also when something else in `argv` is wrong."
  @spec json([String.t()]) :: Path.t() | nil
  def json(argv) do
    {options, _, _} = OptionParser.parse(argv, strict: @switches)
    options[:json]
  end

  # It may be the rest of a cookie with a space in it, which no message is to show.
  defp hosts(options, [_ | _] = hosts) do
    if options[:cookie],
      do: {:error, Error.new(:usage, "(not shown beside --cookie)", :unexpected_argument)},
      else: {:ok, options, hosts}
  end

  defp hosts(options, []), do: {:ok, options, []}

  defp unknown_or_valueless(option) do
    known = Enum.map(@switches, fn {name, _} -> "--" <> dashed(name) end)

    if option in known,
      do: bad(option, "nothing"),
      else: {:error, Error.new(:usage, option, :unknown_option)}
  end

  defp dashed(name), do: name |> to_string() |> String.replace("_", "-")

  defp expected("--timeout"), do: "a number of milliseconds"
  defp expected("--purge"), do: "soft or kill"

  defp expected("--node"),
    do: "a node name such as example@nerves.local, or a nickname of hotpush.toml"

  defp expected("--ssh"), do: "[user@]host[:port], as in nerves.local"
  defp expected("--group"), do: "the name of a group of hotpush.toml"
  defp expected("--json"), do: "a path, or - for standard output"
  defp expected("--cookie"), do: "the device's cookie"
  defp expected("--module"), do: "a module name such as Example.Foo or :erlang_mod"
  defp expected("--app"), do: "the name of an application"
  defp expected(_flag), do: "no value"

  @doc "The error for a value that an option does not take."
  @spec bad(String.t(), term()) :: {:error, Error.t()}
  # A cookie never gets into a message, not even a badly given one.
  def bad("--cookie", _value), do: bad("--cookie", "something else", expected("--cookie"))
  def bad(option, value), do: bad(option, value, expected(option))

  defp bad(option, value, expected),
    do: {:error, Error.new(:usage, option, {:bad_value, value, expected})}
end
