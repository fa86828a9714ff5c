defmodule Hotpush.Project.Snapshot do
  @moduledoc """
  What the project's files hold at one moment: content, not times. A file that was written anew
  with the same code is no change, and one with an older time and other code is.
  """

  alias Hotpush.{Error, Project, Scanner, Turn}
  alias Hotpush.Config.Options
  alias Hotpush.Project.Inventory

  @typedoc """
  The identity of each beam: the BLAKE3 digest of what of it is loaded, so that debug information,
  compilation times and paths make no difference.
  """
  @type t :: %{Path.t() => identity :: binary()}

  @doc "The identities of the beams of the project's runtime applications, as they stand on disk."
  @spec take() :: {:ok, t()} | {:error, Error.t()}
  def take do
    with {:ok, inventory, _dirs} <- inventory() do
      {:ok,
       for({_, beam} <- inventory.beams, into: %{}, do: {beam.entry.path, beam.entry.digest})}
    end
  end

  @doc """
  The folders with those beams. Consolidated protocols stand in the first, and win over the plain
  ones that the others have.
  """
  @spec dirs() :: {:ok, [Path.t()]} | {:error, Error.t()}
  def dirs do
    with {:ok, project} <- project(), do: {:ok, dirs(project)}
  end

  defp dirs(project), do: List.wrap(project.consolidated) ++ Enum.map(project.apps, & &1.ebin)

  @doc "The names of the modules that are new or other than in the snapshot."
  @spec changed(t()) :: {:ok, [String.t()]} | {:error, Error.t()}
  def changed(before) do
    with {:ok, inventory, _dirs} <- inventory() do
      names =
        for {name, beam} <- inventory.beams,
            before[beam.entry.path] != beam.entry.digest,
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

  # Without what is for development only: no push takes that along by itself.
  defp project do
    with {:ok, config} <- Options.config([]), {:ok, project} <- Project.load(config) do
      {:ok, %{project | apps: Enum.reject(project.apps, &(&1.kind == :dev))}}
    end
  end
end
