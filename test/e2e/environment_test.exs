defmodule Hotpush.EnvironmentTest do
  @moduledoc "What the programs that Hotpush starts find in their environment: no cookie."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Project, Run}

  @programs ~w(sh ssh ssh-keyscan adb epmd)

  # In the place of each program one that writes down its environment; sh then goes on as sh.
  defp fakes do
    dir = Run.dir("fakes")
    log = Path.join(dir, "log")

    for name <- @programs do
      ending = if name == "sh", do: ~s(exec /bin/sh "$@"), else: "exit 255"
      script = ~s(#!/bin/sh\n{ echo "program=#{name}"; /usr/bin/env; } >> '#{log}'\n#{ending}\n)
      File.write!(Path.join(dir, name), script)
      File.chmod!(Path.join(dir, name), 0o755)
    end

    {dir, log}
  end

  test "neither ssh nor its guard, adb, epmd or ssh-keyscan" do
    project = Project.new(app: :desk, files: %{"lib/desk.ex" => "defmodule Desk do\nend\n"})
    {dir, log} = fakes()

    env = %{
      "PATH" => dir <> ":" <> System.get_env("PATH"),
      "HOTPUSH_COOKIE" => "s3cret one",
      "Phone_Cookie" => "s3cret two",
      "KEPT" => "kept",
      # None listens there, so one is started.
      "ERL_EPMD_PORT" => "1"
    }

    assert {output, 1} = run(project, ["nowhere.invalid"], env, ["s3cret"])
    assert output =~ "nowhere.invalid"
    {_, 0} = Project.mix(project, ["hotpush.devices", "--timeout", "500"], env)

    seen = File.read!(log)
    refute seen =~ "s3cret"

    for name <- ~w(sh ssh adb) do
      assert seen =~ "program=#{name}\n"
    end

    assert seen =~ "\nKEPT=kept\n"
  end
end
