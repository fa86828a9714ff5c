defmodule Hotpush.Config.Arguments do
  @moduledoc "Parses the command lines of all tasks, strictly, by the table in `Hotpush.Config.Switches`. Pure."

  alias Hotpush.Config.{Given, Switch}
  alias Hotpush.Error

  # What an argument without an option names. Other tasks accept none.
  @operands %{"upload.hotswap" => :host, "hotpush.disconnect" => :device}

  @doc """
  What was typed after `mix TASK`, or what is wrong with it.

      iex> {:ok, given} = Hotpush.Config.Arguments.parse("hotpush.devices", ["--only", "mdns"])
      iex> given.only
      ["mdns"]
      iex> {:error, error} = Hotpush.Config.Arguments.parse("hotpush.init", ["--no-discver"])
      iex> Hotpush.Error.message(error)
      "unknown option --no-discver: \\"mix help hotpush.init\\" lists them. Did you mean --no-discover?"
  """
  @spec parse(String.t(), [String.t()]) :: {:ok, Given.t()} | {:error, Error.t()}
  def parse(task, argv) do
    with :ok <- cookie_in_one(argv) do
      {options, operands, wrong} = read(task, argv)

      with :ok <- known(task, wrong),
           {:ok, named} <- operands(task, operands),
           {:ok, options} <- cast(task, options),
           given = Given.new(named ++ options),
           :ok <- consistent(given),
           do: {:ok, given}
    end
  end

  @doc "The value of `--json`, even if something else in `argv` is wrong."
  @spec json(String.t(), [String.t()]) :: Path.t() | nil
  def json(task, argv) do
    {options, _, _} = read(task, argv)
    options |> Keyword.get_values(:json) |> List.last()
  end

  # Values are read with the table, as they are for functions.
  defp read(task, argv) do
    switches = Switch.of(task)

    strict =
      for s <- switches, do: {s.name, if(Switch.flag?(s), do: :boolean, else: [:string, :keep])}

    wait = Enum.find(switches, &(&1.name == :wait))
    argv = if wait, do: waits(argv, elem(wait.type, 1)), else: argv
    OptionParser.parse(argv, strict: strict)
  end

  # The number is optional, which OptionParser does not support. A host is never a bare number.
  defp waits(["--" | _] = rest, _stock), do: rest
  defp waits(["--no-wait" | rest], stock), do: waits(rest, stock)

  defp waits(["--wait" | rest], stock) do
    case rest do
      [<<digit, _::binary>> = seconds | rest] when digit in ?0..?9 ->
        if seconds =~ ~r/\A\d+\z/,
          do: ["--wait=" <> seconds | waits(rest, stock)],
          else: ["--wait=#{stock}", seconds | waits(rest, stock)]

      _ ->
        ["--wait=#{stock}" | waits(rest, stock)]
    end
  end

  defp waits([argument | rest], stock), do: [argument | waits(rest, stock)]
  defp waits([], _stock), do: []

  # What follows a cookie may be the rest of it, after a space, which no message may show.
  defp cookie_in_one(["--" | _]), do: :ok
  defp cookie_in_one(["--cookie", "-" <> _ = next | rest]), do: cookie_in_one([next | rest])
  defp cookie_in_one(["--cookie", _, next | rest]), do: after_cookie(next, rest)
  defp cookie_in_one(["--cookie=" <> _, next | rest]), do: after_cookie(next, rest)
  defp cookie_in_one([_ | rest]), do: cookie_in_one(rest)
  defp cookie_in_one([]), do: :ok

  defp after_cookie("--" <> _ = next, rest), do: cookie_in_one([next | rest])
  defp after_cookie(_, _), do: {:error, Error.new(:usage, "--cookie", :cookie_with_space)}

  defp known(_task, []), do: :ok

  defp known(task, [{help, _} | _]) when help in ["-h", "--help"], do: usage(help, {:help, task})

  defp known("upload.hotswap", [{port, _} | _]) when port in ["-p", "--port"],
    do: usage(port, :port_option)

  defp known(task, [{option, got} | _]) do
    case Enum.find(Switch.of(task), &(option in Switch.flags(&1))) do
      nil -> usage(option, {:unknown_option, task, meant(option, task)})
      switch -> Switch.bad(switch, got || "nothing")
    end
  end

  defp operands(_task, []), do: {:ok, []}

  defp operands(task, [operand | _] = operands) do
    case @operands do
      %{^task => kind} -> {:ok, for(text <- operands, do: {kind, text})}
      _ -> usage(operand, {:unexpected_argument, task, meant(operand, task)})
    end
  end

  defp cast(task, options) do
    switches = Map.new(Switch.of(task), &{&1.name, &1})

    Enum.reduce_while(options, {:ok, []}, fn {name, value}, {:ok, done} ->
      case if(is_boolean(value), do: {:ok, value}, else: Switch.cast(switches[name], value)) do
        {:ok, value} -> {:cont, {:ok, done ++ [{name, value}]}}
        error -> {:halt, error}
      end
    end)
  end

  defp consistent(%Given{quiet: true, verbose: true}),
    do: usage("--quiet", {:contradiction, "--verbose"})

  defp consistent(%Given{watch: true, json: json}) when json != nil,
    do: usage("--watch", {:contradiction, "--json"})

  defp consistent(%Given{watch: true, dry_run: true}),
    do: usage("--watch", {:contradiction, "--dry-run"})

  defp consistent(%Given{watch: true, compile: false}),
    do: usage("--watch", {:contradiction, "--no-compile"})

  defp consistent(_given), do: :ok

  # A short option is not similar to any.
  defp meant("-" <> <<letter, _::binary>>, _task) when letter != ?-, do: []

  defp meant(text, task) do
    names = for switch <- Switch.of(task), "--" <> name <- Switch.flags(switch), do: name
    for name <- Switch.meant(String.trim_leading(text, "-"), names), do: "--" <> name
  end

  defp usage(subject, reason), do: {:error, Error.new(:usage, subject, reason)}
end
