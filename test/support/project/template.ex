defmodule Hotpush.Test.Project.Template do
  @moduledoc """
  hotpush, compiled once as a dependency, and copied into each generated
  project. Mix checks the copy against the sources, as for its own builds.
  """

  alias Hotpush.Test.{Run, Until}
  alias Hotpush.Test.Project.{Command, Source}

  @doc """
  Puts compiled hotpush into the build of the project at `dir`, or into another build, such as that of a
  target, which would otherwise compile it again.
  """
  @spec install(Path.t(), Path.t()) :: :ok
  def install(dir, build \\ "_build/dev") do
    template = :global.trans({__MODULE__, self()}, &built/0, [node()]) |> Path.join("_build/dev")
    build = Path.expand(build, dir)
    lib = Path.join(build, "lib")
    File.mkdir_p!(lib)
    {_, 0} = System.cmd("cp", ["-a", Path.join(template, "lib/hotpush"), lib])
    move(Path.join(lib, "hotpush/.mix/compile.erlang"), template, build)
  end

  # The Erlang compiler's manifest has absolute paths. If it does not find a file in
  # its place, it deletes it in the old one.
  defp move(manifest, from, to) do
    with {:ok, bytes} <- File.read(manifest),
         {:ok, %{mtime: mtime}} <- File.stat(manifest, time: :posix) do
      moved = bytes |> :erlang.binary_to_term() |> replace(from, to)
      File.write!(manifest, :erlang.term_to_binary(moved))
      File.touch!(manifest, mtime)
    end

    :ok
  end

  defp replace(path, from, to) when is_binary(path), do: String.replace_prefix(path, from, to)

  defp replace(list, from, to) when is_list(list), do: Enum.map(list, &replace(&1, from, to))

  defp replace(tuple, from, to) when is_tuple(tuple) do
    tuple |> Tuple.to_list() |> replace(from, to) |> List.to_tuple()
  end

  defp replace(other, _from, _to), do: other

  # Two VMs that run tests side by side may share one: HOTPUSH_TEST_TEMPLATE is its folder, which the first
  # of them makes. It is at the same depth as the projects, since the link to hotpush's priv is relative.
  defp built do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      shared = System.get_env("HOTPUSH_TEST_TEMPLATE")
      dir = Path.join(shared || Run.dir("template"), "app")
      done = Path.join(dir, "done")
      if shared, do: File.mkdir_p!(shared)

      case File.mkdir(dir) do
        :ok ->
          build(dir)
          File.touch!(done)

        {:error, :eexist} ->
          Until.until("the template", fn -> File.exists?(done) end, 110_000)
      end

      :persistent_term.put(__MODULE__, dir)
      dir
    end
  end

  defp build(dir) do
    home = Path.join(dir, "home")
    File.mkdir_p!(home)
    spec = [app: :template, deps: [Source.hotpush_dep()]]
    File.write!(Path.join(dir, "mix.exs"), Source.app(spec))

    case Command.mix(dir, home, ["compile"], []) do
      {_output, 0} -> :ok
      {output, _status} -> raise "hotpush does not compile as a dependency:\n" <> output
    end
  end
end
