defmodule Mix.Tasks.Hotpush.Init do
  @shortdoc "Writes a hotpush.toml that names your devices"

  @moduledoc """
  Writes a `hotpush.toml` that names your devices.

      $ mix hotpush.init

  Looks for devices, writes them into a commented `hotpush.toml` beside `mix.exs`, and adds that
  file to `.gitignore`, since it is one developer's own. What only answered on the network stands
  there as a comment: a device of this file is offered your cookie or your ssh key, so take the `#`
  away from those that are yours. Nothing is sent to a device that was found.

  The file is readable by you alone (mode 0600), since you may write a cookie into it. A
  `hotpush.toml` that is there already is left as it is.

  ## Options

    * `--force` - replace the file that is there
    * `--no-discover` - do not look for devices; the file then has examples only
    * `--timeout MS` - look for devices for so many milliseconds, 2000 by default

  ## Exit status

    * 0 - the file was written
    * 2 - it was not: there is one already, or the command is wrong
  """

  use Mix.Task

  alias Hotpush.{Discovery, Doorman, Error, Settings, Text, Workspace}
  alias Hotpush.Discovery.Found
  alias Hotpush.Settings.{Gitignore, Template}

  @switches [force: :boolean, discover: :boolean, timeout: :integer]

  @impl true
  def run(argv) do
    with {:ok, options} <- options(argv),
         {:ok, dir} <- project(),
         path = Path.join(dir, Settings.file_name()),
         :ok <- check(path, options),
         entries = entries(options),
         :ok <- write(path, Template.render(Mix.Project.config()[:app], entries)),
         :ok <- say_written(path, entries),
         :ok <- ignore(Path.join(dir, ".gitignore")) do
      :ok
    else
      {:error, error} -> Doorman.fail(error)
    end
  end

  defp options(argv) do
    case OptionParser.parse(argv, strict: @switches) do
      {options, [], []} -> timeout(options)
      {_, [argument | _], []} -> usage(argument, {:unexpected_argument, "hotpush.init"})
      {_, _, [{"--timeout", got} | _]} -> bad_timeout(got || "nothing")
      {_, _, [{option, nil} | _]} -> usage(option, {:unknown_option, "hotpush.init"})
      {_, _, [{option, got} | _]} -> usage(option, {:bad_value, got, "no value"})
    end
  end

  defp timeout(options) do
    case Keyword.get(options, :timeout, 2_000) do
      ms when ms in 1..600_000 -> {:ok, Keyword.put(options, :timeout, ms)}
      ms -> bad_timeout(ms)
    end
  end

  defp bad_timeout(got),
    do: usage("--timeout", {:bad_value, got, "a number of milliseconds, at most 600000"})

  defp usage(subject, reason), do: {:error, Error.new(:usage, subject, reason)}

  defp project do
    with :ok <- Workspace.check(), do: {:ok, hd(Workspace.settings_dirs())}
  end

  defp check(path, options) do
    if File.exists?(path) and not Keyword.get(options, :force, false),
      do: usage(Path.relative_to_cwd(path), :settings_exist),
      else: :ok
  end

  defp entries(options) do
    if Keyword.get(options, :discover, true), do: discover(options[:timeout]), else: []
  end

  # A way of the project's own is among the project's modules.
  defp discover(timeout) do
    own = List.wrap(Application.get_env(:hotpush, :discovery, []))
    if own != [], do: Mix.Task.run("compile")
    {found, errors} = Discovery.all(timeout: timeout, own: own)
    for error <- errors, do: Mix.shell().info(Text.printable(Error.message(error)))
    Enum.map(found, &entry/1)
  end

  # adb was told on the device itself whom to trust.
  defp entry(found) do
    %{
      name: found.name,
      how: Enum.map_join([found.how | found.also], ", ", &inspect/1),
      own?: found.how == :adb,
      ways: Found.ways(found),
      notice: found.notice && Error.message(found.notice)
    }
  end

  # It may get a cookie: it is private before it is filled.
  defp write(path, text) do
    with :ok <- File.write(path, ""),
         :ok <- File.chmod(path, 0o600),
         :ok <- File.write(path, text) do
      :ok
    else
      {:error, reason} -> usage(Path.relative_to_cwd(path), {:not_written, reason})
    end
  end

  defp say_written(path, entries) do
    found = Text.count(length(entries), "device")
    Mix.shell().info("* creating #{Path.relative_to_cwd(path)} (#{found} found)")
  end

  defp ignore(path) do
    old = File.read(path)

    with {:ok, text} <- if(old == {:error, :enoent}, do: {:ok, ""}, else: old),
         {:ok, new} <- Gitignore.add(text, Settings.file_name()),
         :ok <- File.write(path, new) do
      verb = if text == "", do: "creating", else: "updating"
      Mix.shell().info("* #{verb} #{Path.relative_to_cwd(path)}")
    else
      :there -> :ok
      {:error, reason} -> usage(Path.relative_to_cwd(path), {:not_written, reason})
    end
  end
end
