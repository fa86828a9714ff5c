defmodule Mix.Tasks.Hotpush.Init do
  @shortdoc "Writes a hotpush.toml that names your devices"

  alias Hotpush.Config.Switch

  @moduledoc """
  Writes a `hotpush.toml` that names your devices.

      $ mix hotpush.init

  The command looks for devices, writes them into a commented `hotpush.toml` beside `mix.exs`, and
  adds that file to `.gitignore`, since it belongs to one developer. It sends nothing to a device
  that it finds.

  Devices that only answered on the network are written as comments, because a device of this file
  is offered your cookie or your ssh key. Remove the `#` from the devices that are yours.

  Only you can read the file (mode 0600), since you may write a cookie into it. The command does not
  change a `hotpush.toml` that exists. In an umbrella, the file of the root applies to its children,
  so the command writes none for a child if the root has one. `--force` overrides both.

  ## Options

  #{Switch.manual("hotpush.init")}

  ## Exit status

    * 0 - the file was written
    * 2 - the file was not written: one exists already, the native library that reads it is missing,
      or the command is wrong
  """

  use Mix.Task

  alias Hotpush.{CLI, Error, Text}
  alias Hotpush.Config.{Arguments, Toml}
  alias Hotpush.Project.Workspace
  alias Hotpush.Discovery.Search
  alias Hotpush.Discovery.Found
  alias Hotpush.Config.Toml.{Gitignore, Template, Writer}

  @timeout 2_000

  @impl true
  def run(argv), do: CLI.attended(fn -> init(argv) end)

  defp init(argv) do
    Workspace.consolidate()

    with {:ok, given} <- Arguments.parse("hotpush.init", argv),
         {:ok, dir} <- project(),
         path = Path.join(dir, Toml.file_name()),
         :ok <- readable(path),
         :ok <- check(path, given),
         entries = entries(given),
         :ok <- write(path, Template.render(Mix.Project.config()[:app], entries), given),
         :ok <- say_written(path, entries),
         :ok <- ignore(Path.join(dir, ".gitignore")) do
      :ok
    else
      {:error, error} -> CLI.fail(error)
    end
  end

  defp usage(subject, reason), do: {:error, Error.new(:usage, subject, reason)}

  defp project do
    with :ok <- Workspace.check(), do: {:ok, hd(Workspace.settings_dirs())}
  end

  # Do not write a file that cannot be read here.
  defp readable(path) do
    if Toml.readable?(),
      do: :ok,
      else: usage(Path.relative_to_cwd(path), :settings_useless)
  end

  # For a child of an umbrella, the root may have a file for all.
  defp check(path, given) do
    above = tl(Workspace.settings_dirs()) |> Enum.map(&Path.join(&1, Toml.file_name()))

    cond do
      given.force ->
        :ok

      Writer.there?(path) ->
        usage(Path.relative_to_cwd(path), :settings_exist)

      one = Enum.find(above, &Writer.there?/1) ->
        usage(one, {:settings_above, Path.dirname(path)})

      true ->
        :ok
    end
  end

  defp entries(given) do
    if given.discover == false, do: [], else: discover(given.timeout || @timeout)
  end

  # The project's own discovery modules must be compiled first.
  defp discover(timeout) do
    own = List.wrap(Application.get_env(:hotpush, :discovery, []))
    if own != [], do: Mix.Task.run("compile")
    {found, errors} = Search.all(timeout: timeout, own: own)
    for error <- errors, do: Mix.shell().info(Text.printable(Error.message(error)))
    Enum.map(found, &entry/1)
  end

  # A device behind adb is the developer's: it was unlocked to trust this host.
  defp entry(found) do
    %{
      name: found.name,
      how: Enum.map_join([found.how | found.also], ", ", &way/1),
      own?: found.how == :adb,
      ways: Found.ways(found),
      notice: found.notice && Error.message(found.notice)
    }
  end

  # One of Hotpush's atoms, or a module of the project.
  defp way(name), do: name |> inspect() |> String.trim_leading(":")

  defp write(path, text, given) do
    with {:error, reason} <- Writer.write(path, text, given.force),
         do: usage(Path.relative_to_cwd(path), {:not_written, reason})
  end

  defp say_written(path, entries) do
    found = Text.count(length(entries), "device")
    commented = Enum.count(entries, &(not &1.own? or &1.notice != nil))

    as =
      cond do
        commented == 0 -> ""
        commented == length(entries) -> ", as comments"
        true -> ", #{commented} as comments"
      end

    Mix.shell().info("* creating #{Path.relative_to_cwd(path)} (#{found} found#{as})")
  end

  defp ignore(path) do
    old = File.read(path)

    with {:ok, text} <- if(old == {:error, :enoent}, do: {:ok, ""}, else: old),
         {:ok, new} <- Gitignore.add(text, Toml.file_name()),
         :ok <- File.write(path, new) do
      verb = if text == "", do: "creating", else: "updating"
      Mix.shell().info("* #{verb} #{Path.relative_to_cwd(path)}")
    else
      :there -> :ok
      {:error, reason} -> usage(Path.relative_to_cwd(path), {:not_written, reason})
    end
  end
end
