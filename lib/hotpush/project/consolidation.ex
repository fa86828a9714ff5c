defmodule Hotpush.Project.Consolidation do
  @moduledoc """
  Consolidates protocols as Mix does, from what is already compiled.

  Mix 1.19 and 1.20 delete a project's consolidated protocols whenever a task of a dependency runs in
  a project with a path dependency, and write them again only when they compile. A push without a
  compilation would then find plain protocols, which no firmware has.
  """

  @doc """
  Writes the consolidated form of each protocol on `code_path` into the folder `path`. The folder
  appears complete or not at all.
  """
  @spec write(Path.t(), [charlist()]) :: :ok
  def write(path, code_path) do
    beside = "#{path}.#{System.unique_integer([:positive])}-#{System.pid()}"
    File.mkdir_p!(beside)
    paths = Enum.reject(code_path, &:lists.prefix(:code.lib_dir(), &1))
    for protocol <- Protocol.extract_protocols(paths), do: write(protocol, paths, beside)

    # Another command may have been faster, and its folder is the same.
    with {:error, _} <- File.rename(beside, path), do: File.rm_rf!(beside)
    :ok
  end

  @doc """
  Forgets the consolidated protocols in the folder `path`, as if this VM had not compiled them: otherwise
  the compiler warns that a new implementation has no effect. The next compilation brings them back.
  """
  @spec forget(Path.t()) :: :ok
  def forget(path) do
    :code.del_path(String.to_charlist(path))

    for file <- path |> Path.join("*.beam") |> Path.wildcard() |> Enum.map(&String.to_charlist/1),
        protocol = file |> Path.basename(".beam") |> String.to_atom(),
        :code.which(protocol) == file do
      :code.purge(protocol)
      :code.delete(protocol)
    end

    :ok
  end

  defp write(protocol, paths, dir) do
    implementations = Protocol.extract_impls(protocol, paths)
    # A loaded protocol may come from the deleted folder, and its file would be read.
    :code.purge(protocol)
    :code.delete(protocol)

    with {:ok, beam} <- Protocol.consolidate(protocol, implementations),
         do: File.write!(Path.join(dir, "#{protocol}.beam"), beam)
  end
end
