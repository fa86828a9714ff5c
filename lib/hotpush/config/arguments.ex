defmodule Hotpush.Config.Arguments do
  @moduledoc "The command line, strictly: what it may say, and what is wrong with what it says."

  alias Hotpush.Error
  alias Hotpush.Plan.ModuleFilter

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
    wait: :integer,
    purge: :string,
    force: :boolean,
    docs: :boolean,
    cookie: :string,
    verbose: :boolean,
    quiet: :boolean
  ]

  # A device has booted in that time.
  @wait 60

  @doc "The options and the hosts, in the order given, or what is wrong with them."
  @spec parse([String.t()]) :: {:ok, keyword(), [String.t()]} | {:error, Error.t()}
  def parse(argv) do
    with :ok <- cookie_in_one(argv) do
      case argv |> waits() |> OptionParser.parse(strict: @switches) do
        {_, _, [{option, nil} | _]} -> unknown_or_valueless(option)
        {_, _, [{option, value} | _]} -> bad(option, value)
        {options, hosts, []} -> consistent(options, hosts)
      end
    end
  end

  @doc "The names of the options, with underscores."
  @spec names() :: [atom()]
  def names, do: Keyword.keys(@switches)

  @doc "Where `--json` wants the document, also when something else in `argv` is wrong."
  @spec json([String.t()]) :: Path.t() | nil
  def json(argv) do
    {options, _, _} = argv |> waits() |> OptionParser.parse(strict: @switches)
    options[:json]
  end

  # The number may be left out, which OptionParser does not know. No host is a bare number.
  defp waits(["--" | _] = rest), do: rest
  defp waits(["--no-wait" | rest]), do: waits(rest)

  defp waits(["--wait" | rest]) do
    case rest do
      [<<digit, _::binary>> = seconds | rest] when digit in ?0..?9 ->
        if seconds =~ ~r/\A\d+\z/,
          do: ["--wait=" <> seconds | waits(rest)],
          else: ["--wait=#{@wait}", seconds | waits(rest)]

      _ ->
        ["--wait=#{@wait}" | waits(rest)]
    end
  end

  defp waits([argument | rest]), do: [argument | waits(rest)]
  defp waits([]), do: []

  # What follows a cookie may be the rest of it, after a space, which no message is to show.
  defp cookie_in_one(["--" | _]), do: :ok
  defp cookie_in_one(["--cookie", "-" <> _ = next | rest]), do: cookie_in_one([next | rest])
  defp cookie_in_one(["--cookie", _, next | rest]), do: after_cookie(next, rest)
  defp cookie_in_one(["--cookie=" <> _, next | rest]), do: after_cookie(next, rest)
  defp cookie_in_one([_ | rest]), do: cookie_in_one(rest)
  defp cookie_in_one([]), do: :ok

  defp after_cookie("--" <> _ = next, rest), do: cookie_in_one([next | rest])
  defp after_cookie(_, _), do: {:error, Error.new(:usage, "--cookie", :cookie_with_space)}

  defp consistent(options, hosts) do
    if options[:quiet] && options[:verbose],
      do: {:error, Error.new(:usage, "--quiet", {:contradiction, "--verbose"})},
      else: {:ok, options, hosts}
  end

  defp unknown_or_valueless(option) when option in ["-h", "--help"],
    do: {:error, Error.new(:usage, option, :help)}

  defp unknown_or_valueless(option) when option in ["-p", "--port"],
    do: {:error, Error.new(:usage, option, :port_option)}

  defp unknown_or_valueless(option) do
    known = for {name, type} <- @switches, flag <- flags(dashed(name), type), do: flag

    if option in known,
      do: bad(option, "nothing"),
      else: {:error, Error.new(:usage, option, {:unknown_option, nil, meant(option, known)})}
  end

  defp flags(name, :boolean), do: ["--" <> name, "--no-" <> name]
  defp flags(name, _type), do: ["--" <> name]

  defp meant("--" <> name, known) do
    names = Enum.map(known, &String.trim_leading(&1, "-"))
    for near <- Enum.take(ModuleFilter.near(name, names), 1), do: "--" <> near
  end

  defp meant(_short, _known), do: []

  defp dashed(name), do: name |> to_string() |> String.replace("_", "-")

  defp expected("--timeout"), do: "a positive number of milliseconds"
  defp expected("--wait"), do: "a positive number of seconds, or nothing (60)"
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
