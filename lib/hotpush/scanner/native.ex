defmodule Hotpush.Scanner.Native do
  @moduledoc """
  The scanner of the native library: in parallel, on dirty schedulers, with a manifest.
  """

  @behaviour Hotpush.Scanner.Behaviour

  alias Hotpush.Scanner.Layout
  alias Hotpush.{Native, Scanner}

  @impl true
  @spec scan([Path.t()], keyword()) :: Scanner.scan()
  def scan(dirs, opts \\ []) do
    dirs = Enum.map(dirs, &Layout.folder/1)
    manifest = IO.chardata_to_string(opts[:manifest] || "")

    {entries, problems, read, cached} =
      Native.scan(dirs, Keyword.get(opts, :keep, []), manifest, Keyword.get(opts, :overlay, 0))

    %{
      entries: entries(entries),
      problems: Enum.map(problems, &problem/1),
      read: read,
      cached: cached
    }
  end

  @impl true
  @spec diff([Scanner.entry()], [Scanner.answer()]) :: Scanner.diff()
  def diff(entries, answers) do
    locals = for e <- entries, do: {e.module, e.md5, e.bare_md5, e.line_md5, e.digest}
    {changed, gone, unchanged} = Native.diff(locals, answers)
    %{changed: changed, gone: gone, unchanged: unchanged}
  end

  @impl true
  @spec pack([{String.t(), String.t()}], keyword()) ::
          [{:ok, Scanner.packed()} | {:error, Scanner.problem()}]
  def pack(files, opts \\ []) do
    for result <- Native.pack(files, Keyword.get(opts, :keep, [])) do
      case result do
        {:ok, {module, beam, md5, digest}} ->
          {:ok, %{module: module, beam: beam, md5: md5, digest: digest}}

        {:error, problem} ->
          {:error, problem(problem)}
      end
    end
  end

  # All entries come as one binary, and their parts stay references into it.
  defp entries(
         <<dir::32, size::64, md5::binary-size(16), bare_md5::binary-size(16),
           digest::binary-size(32), line_size::16, line_md5::binary-size(line_size),
           module_size::16, module::binary-size(module_size), path_size::16,
           path::binary-size(path_size), rest::binary>>
       ) do
    entry = %{
      dir: dir,
      path: path,
      module: module,
      md5: md5,
      bare_md5: bare_md5,
      line_md5: line_md5,
      digest: digest,
      size: size
    }

    [entry | entries(rest)]
  end

  defp entries(""), do: []

  defp problem({path, kind, posix, detail}),
    do: %{path: path, kind: kind, posix: posix, detail: detail}
end
