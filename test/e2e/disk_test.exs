defmodule Hotpush.DiskTest do
  @moduledoc """
  What stands on the disk beside the build, with a right checksum and a wrong content: a push works
  all the same, and the file is made anew.
  """
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Scanner.Portable.Blake3
  alias Hotpush.Test.{Device, Project}

  @source "defmodule Desk do\n  def hi, do: 1\nend\n"

  setup_all do
    project = Project.new(app: :desk, files: %{"lib/desk.ex" => @source})
    # Only what is not loaded is looked for in the files of a device.
    device = Device.start(release: Project.release(project), mode: :interactive)
    push!(project, device)
    %{project: project, device: device}
  end

  @tag skip: if(not Hotpush.Native.loaded?(), do: "no native library")
  test "a manifest with a right checksum around anything", %{project: project, device: device} do
    path = Path.join(project.dir, "_build/dev/.hotpush/scan.manifest")
    tuple = <<104, 2, 119, 16, "hotpush_manifest">>

    for term <- [
          # A list of 2^32 - 1, in a tuple of which nothing follows.
          tuple <> <<108, 0xFFFFFFFF::32>>,
          tuple <> String.duplicate(<<104, 1>>, 200_000)
        ] do
      File.write!(path, manifest(term))
      again(project, device)
      assert <<"hotpush scan 001", _::binary>> = written = File.read!(path)
      assert written != manifest(term)
    end
  end

  defp manifest(term) do
    kept = Hotpush.Scanner.Layout.digest_chunks()
    rest = IO.iodata_to_binary([<<length(kept)::32>>, kept, 131, term])
    "hotpush scan 001" <> Blake3.hash(rest) <> rest
  end

  test "a build of which much is broken: the first 20 files, then a count", context do
    %{project: project, device: device} = context
    ebin = Path.join(project.dir, "_build/dev/lib/desk/ebin")
    broken = for n <- 101..130, do: Path.join(ebin, "Elixir.Desk.Broken#{n}.beam")
    for path <- broken, do: File.write!(path, "broken")
    on_exit(fn -> Enum.each(broken, &File.rm/1) end)
    json = Path.join(project.dir, "report.json")

    for env <- [%{}, %{"HOTPUSH_NATIVE" => "off"}] do
      assert {output, 1} = push(project, device, ["--no-compile", "--json", json], env)

      named =
        for [_, n] <- Regex.scan(~r/^failed: .*Broken(\d+).beam: this is not a/m, output), do: n

      assert named == Enum.map(101..120, &to_string/1)

      assert output =~
               "\nfailed: the build: 10 more files cannot be used. Run mix compile --force."

      assert [%{"failed" => failed}] = json(json)["devices"]
      assert length(failed) == 21
      assert %{"kind" => "more_problems", "count" => 10} = List.last(failed)
      refute Map.has_key?(hd(failed), "count")
    end

    Enum.each(broken, &File.rm!/1)
    again(project, device)
  end

  test "what is remembered of a device, with a right sum around anything", context do
    %{project: project, device: device} = context

    [path] =
      Path.wildcard(Path.join(project.dir, "_build/dev/.hotpush/devices/*"), match_dot: true)

    # The bytes of a map differ from VM to VM.
    remembered = fn ->
      <<sum::binary-16, body::binary>> = File.read!(path)
      assert :erlang.md5(body) == sum
      :erlang.binary_to_term(body)
    end

    {2, %{} = files, %{} = parts} = remembered.()
    [{key, [_ | _] = list} | _] = Map.to_list(files)
    # 100 MB of nothing; and files that are none.
    bomb = :erlang.term_to_binary(<<0::800_000_000>>, [:compressed])
    wrong = :erlang.term_to_binary({2, %{key => [{"Desk", 1, 2} | list]}, parts})

    for body <- [bomb, wrong] do
      File.write!(path, [:erlang.md5(body), body])
      again(project, device)
      assert remembered.() == {2, files, parts}
    end
  end
end
