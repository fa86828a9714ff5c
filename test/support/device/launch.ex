defmodule Hotpush.Test.Device.Launch do
  @moduledoc "The command line and environment that start a device of each kind. Pure."

  alias Hotpush.Test.{Netns, Ports, Run}

  @doc """
  Executable, arguments and environment for the options of
  `Hotpush.Test.Device.start/1`, where `expression` is evaluated on the device.
  """
  @spec command(keyword, String.t()) :: {String.t(), [String.t()], [{String.t(), String.t()}]}
  def command(opts, expression) do
    {command, args, env} =
      if opts[:release], do: release(opts, expression), else: erl(opts, expression)

    {command, args} =
      if opts[:netns], do: Netns.inside(opts[:netns], command, args), else: {command, args}

    {command, args, env}
  end

  defp release(opts, expression) do
    [script] =
      for path <- Path.wildcard(Path.join(opts[:release], "bin/*")),
          Path.extname(path) == "",
          do: path

    env = [
      {"RELEASE_DISTRIBUTION", name_flag(opts) || "none"},
      {"RELEASE_NODE", to_string(opts[:node])},
      {"RELEASE_COOKIE", to_string(opts[:cookie])},
      {"RELEASE_MODE", to_string(opts[:mode] || :embedded)},
      {"RELEASE_TMP", opts[:dir]},
      {"ERL_AFLAGS", Enum.map_join(common(opts, expression), " ", &quoted/1)}
    ]

    {script, ["start"], env ++ opts[:env]}
  end

  defp erl(opts, expression) do
    paths = Enum.flat_map(code_paths(opts), &["-pa", &1])

    args =
      ["-noshell"] ++
        named(opts) ++
        ["-mode", to_string(opts[:mode] || :interactive)] ++ paths ++ common(opts, expression)

    {opts[:erl] || System.find_executable("erl"), args, opts[:env]}
  end

  defp named(opts) do
    case name_flag(opts) do
      nil -> []
      flag -> ["-" <> flag, to_string(opts[:node]), "-setcookie", to_string(opts[:cookie])]
    end
  end

  defp name_flag(opts) do
    cond do
      not opts[:distribution] -> nil
      opts[:names] == :short -> "sname"
      true -> "name"
    end
  end

  defp common(opts, expression) do
    distribution = if opts[:distribution], do: listening(opts), else: ["-start_epmd", "false"]
    distribution ++ Run.idle() ++ opts[:args] ++ ["-eval", expression]
  end

  # The distribution port is bound on loopback only, which leaves the same port
  # of 127.0.0.2 to a link.
  defp listening(opts) do
    {first, last} = if port = opts[:dist_port], do: {port, port}, else: Ports.range()
    ports = ["inet_dist_listen_min", "#{first}", "inet_dist_listen_max", "#{last}"]
    interface = if opts[:netns] && !opts[:tunnelled], do: "{0,0,0,0}", else: "{127,0,0,1}"

    # A phone has no epmd of its own.
    epmd = if opts[:tunnelled], do: ["-start_epmd", "false"], else: []

    ["-kernel", "inet_dist_use_interface", interface] ++
      if("inet_dist_listen_min" in opts[:args], do: [], else: ports) ++ epmd
  end

  @doc "The code paths of a plain node, Elixir's among them unless it is `erlang_only:`."
  @spec code_paths(keyword) :: [Path.t()]
  def code_paths(opts) do
    apps = if opts[:erlang_only], do: [], else: [:compiler, :elixir, :logger]
    for(app <- apps, do: app |> :code.lib_dir() |> Path.join("ebin")) ++ opts[:code_paths]
  end

  # For ERL_AFLAGS, which erl splits like a shell.
  defp quoted(arg), do: "'" <> arg <> "'"
end
