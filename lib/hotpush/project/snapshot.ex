defmodule Hotpush.Project.Snapshot do
  @moduledoc """
  The content of the project's beams at one moment. A file that was rewritten with the same code has
  not changed, and one with other code has, even if its time is older.
  """

  alias Hotpush.{Error, Project, Scanner, Turn}
  alias Hotpush.Config.Options
  alias Hotpush.Project.Inventory

  @typedoc """
  The identity of each beam: a digest of the chunks that are loaded, so debug information,
  compilation times and paths make no difference.
  """
  @type t :: %{Path.t() => identity :: binary()}

  @doc "The identities of the beams of the project's runtime applications on disk."
  @spec take() :: {:ok, t()} | {:error, Error.t()}
  def take do
    with {:ok, inventory, _dirs} <- inventory() do
      {:ok,
       for(
         {_, beam} <- inventory.beams,
         into: %{},
         do: {beam.entry.path, Scanner.identity(beam.entry)}
       )}
    end
  end

  @doc """
  The folders with those beams. The first one has the consolidated protocols, which replace the plain
  ones in the others.
  """
  @spec dirs() :: {:ok, [Path.t()]} | {:error, Error.t()}
  def dirs do
    with {:ok, project} <- project(), do: {:ok, dirs(project)}
  end

  defp dirs(project), do: List.wrap(project.consolidated) ++ Enum.map(project.apps, & &1.ebin)

  @doc "The names of the modules that are new or differ from the snapshot."
  @spec changed(t()) :: {:ok, [String.t()]} | {:error, Error.t()}
  def changed(before) do
    with {:ok, inventory, _dirs} <- inventory() do
      names =
        for {name, beam} <- inventory.beams,
            before[beam.entry.path] != Scanner.identity(beam.entry),
            do: name

      {:ok, Enum.sort(names)}
    end
  end

  defp inventory do
    with {:ok, project} <- project(),
         do: {:ok, scan(project), dirs(project)}
  end

  # Not while a compilation in this VM writes the files.
  defp scan(project),
    do: Turn.take(:build, fn -> Inventory.scan(project, Scanner.default()) end)

  # Without development-only dependencies, which no push sends unless it is told to.
  defp project do
    with {:ok, config} <- Options.config([]), {:ok, project} <- Project.load(config) do
      {:ok, %{project | apps: Enum.reject(project.apps, &(&1.kind == :dev))}}
    end
  end
end
