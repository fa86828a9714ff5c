defmodule Hotpush.Test.Beams do
  @moduledoc """
  Makes many real modules of different sizes quickly, with ordinary code.

  Everything depends only on the module's number, so the same call makes the same
  modules again.
  """

  alias Hotpush.Test.Beams.Source
  alias Hotpush.Test.Run

  @doc """
  Sources of `count` modules as `%{"lib/mod_0001.ex" => text}`, for a generated
  project. The modules whose numbers are in `changed` have other code.
  """
  @spec sources(pos_integer, Enumerable.t()) :: %{Path.t() => String.t()}
  def sources(count, changed \\ []) do
    changed = MapSet.new(changed)

    Map.new(1..count, fn number ->
      {"lib/#{Source.file(number)}", Source.text(number, number in changed)}
    end)
  end

  @doc "The names of the first `count` modules."
  @spec modules(pos_integer) :: [module]
  def modules(count), do: Enum.map(1..count, &Source.module/1)

  @doc """
  Compiles the same modules, those in `numbers`, into the `ebin` folder `dir`.

  Returns how many beams it wrote. They are like those of `mix compile`, with
  debug information.
  """
  @spec compile(Path.t(), Enumerable.t(), Enumerable.t()) :: non_neg_integer
  def compile(dir, numbers, changed \\ []) do
    File.mkdir_p!(dir)
    sources = Run.dir("sources")
    changed = MapSet.new(changed)

    numbers = Enum.to_list(numbers)

    for number <- numbers do
      text = Source.text(number, number in changed)
      File.write!(Path.join(sources, Source.file(number)), text)
    end

    # In another VM: here, the modules would stay loaded, and the next call would redefine them.
    {"", 0} =
      System.cmd("elixirc", ["-o", dir, Path.join(sources, "*.ex")],
        env: Run.clean_env(),
        stderr_to_stdout: true
      )

    length(numbers)
  end

  @doc """
  Copies of the beams of the running OTP and Elixir, `count` of them, below `dir`
  as `lib/app_N/ebin`: thousands of files of every kind at the price of a copy.

  If there are fewer, they are copied more than once. Returns the `ebin` folders.
  """
  @spec farm(Path.t(), pos_integer) :: [Path.t()]
  def farm(dir, count) do
    all_beams()
    |> Stream.cycle()
    |> Stream.take(count)
    |> Stream.chunk_every(250)
    |> Stream.with_index()
    |> Enum.flat_map(fn {files, index} -> copy(files, Path.join(dir, "lib/app_#{index}")) end)
  end

  @doc "Every beam of the running OTP and Elixir, sorted."
  @spec all_beams() :: [Path.t()]
  def all_beams do
    libs = [:code.lib_dir(), :elixir |> :code.lib_dir() |> Path.dirname()]

    libs
    |> Enum.flat_map(&Path.wildcard(Path.join(to_string(&1), "*/ebin/*.beam")))
    |> Enum.uniq()
    |> Enum.sort()
  end

  # A folder cannot have two beams of the same name.
  defp copy(files, app) do
    files
    |> Enum.group_by(&Path.basename/1)
    |> Enum.flat_map(fn {name, same} -> Enum.with_index(same, &{&1, &2, name}) end)
    |> Enum.group_by(fn {_file, index, _name} -> index end)
    |> Enum.map(fn {index, files} ->
      ebin = Path.join("#{app}#{if index > 0, do: "_#{index}"}", "ebin")
      File.mkdir_p!(ebin)
      for {file, _index, name} <- files, do: File.cp!(file, Path.join(ebin, name))
      ebin
    end)
  end
end
