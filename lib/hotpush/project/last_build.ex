defmodule Hotpush.Project.LastBuild do
  @moduledoc """
  What the question to a device needs to know about the project, from the last build. With it, devices
  are asked while the next build is running. If that build differs in this, they are asked again. Losing
  the file only costs a little time.
  """

  alias Hotpush.{Config, Project, StateFile}
  alias Hotpush.Project.App
  alias Hotpush.Protocol.SafeTerm

  @version 1
  # Far more than a project with a thousand applications needs.
  @most 256 * 1024

  @doc """
  The path of the file. The question depends on the project (children of an umbrella share the folder)
  and on the applications that the config names.
  """
  @spec path(Path.t(), atom(), Config.t()) :: Path.t()
  def path(state_dir, project, config) do
    key = :erlang.phash2({project, config.app_names, config.apps})
    Path.join(state_dir, "last_build_#{key}")
  end

  @doc "The project with what is kept: the names of its applications, and the other modules to ask for."
  @spec read(Path.t(), Path.t()) :: Project.t() | nil
  def read(path, state_dir) do
    with {:ok, body} <- StateFile.read(path, @most),
         {:ok, {@version, [_ | _] = apps, modules}} <- SafeTerm.decode(body),
         true <- Enum.all?(apps, &match?({<<_, _::binary>>, flag} when is_boolean(flag), &1)),
         true <- is_list(modules) and Enum.all?(modules, &is_binary/1) do
      # Hotpush wrote these names, which were atoms at that time.
      %Project{
        apps: for({name, e} <- apps, do: %App{name: String.to_atom(name), editable?: e}),
        protocols: Enum.map(modules, &String.to_atom/1),
        state_dir: state_dir
      }
    else
      _ -> nil
    end
  end

  @doc "Writes the file if it has changed. If it cannot be written, the build does not fail."
  @spec keep(Project.t(), Path.t()) :: :ok
  def keep(%Project{} = project, path) do
    apps =
      for app <- project.apps,
          do: {to_string(app.name), app.editable? or app.kind == :own}

    modules = Enum.map(project.protocols ++ project.taken, &to_string/1)
    body = :erlang.term_to_binary({@version, apps, modules})
    if StateFile.read(path, @most) != {:ok, body}, do: StateFile.write(path, body)
    :ok
  end
end
