defmodule Hotpush.UmbrellaTest do
  @moduledoc "An umbrella, pushed from its root and from one child's folder."
  use ExUnit.Case, async: true

  import Hotpush.Test.Hotswap
  alias Hotpush.Test.{Device, Project}

  @back """
  defmodule Back do
    def hi, do: :back
  end

  defprotocol Back.Price do
    def price(thing)
  end

  defmodule Back.Apple do
    defstruct []
  end

  defimpl Back.Price, for: Back.Apple do
    def price(_), do: 1
  end
  """

  @front """
  defmodule Front do
    def hi, do: {:front, Back.hi()}
  end

  defmodule Front.Pear do
    defstruct []
  end

  defimpl Back.Price, for: Front.Pear do
    def price(_), do: 2
  end
  """

  setup_all do
    project =
      Project.new(
        app: :roof,
        config: "import Config\n",
        children: [
          front: [files: %{"lib/front.ex" => @front}, deps: [{:back, in_umbrella: true}]],
          back: [files: %{"lib/back.ex" => @back}]
        ]
      )

    %{project: project, device: Device.start(release: Project.release(project))}
  end

  test "from the root both children, from a child's folder that child alone", context do
    %{project: project, device: device} = context
    again(project, device)

    Project.edit(project, "apps/front/lib/front.ex", ":front", ":porch")
    Project.edit(project, "apps/back/lib/back.ex", ":back", ":yard")
    assert deployed(push!(project, device)) == ["Elixir.Back", "Elixir.Front"]
    assert Device.eval(device, "Front.hi()") == {:porch, :yard}
    again(project, device)

    # --app from the root takes one of them.
    Project.edit(project, "apps/front/lib/front.ex", ":porch", ":door")
    Project.edit(project, "apps/back/lib/back.ex", ":yard", ":garden")
    assert deployed(push!(project, device, ["--app", "back"])) == ["Elixir.Back"]
    assert Device.eval(device, "Front.hi()") == {:porch, :garden}
    assert deployed(push!(project, device)) == ["Elixir.Front"]
    again(project, device)

    # A child that has hotpush itself, in its own folder.
    child = child(project)
    Project.edit(project, "apps/back/lib/back.ex", ":garden", ":shed")
    Project.edit(project, "apps/front/lib/front.ex", ":door", ":hall")

    output = push!(child, device, ["--module", "Back"])
    assert deployed(output) == ["Elixir.Back"]
    assert Device.eval(device, "Front.hi()") == {:door, :shed}
    again(child, device, ["--module", "Back"])

    # With a build of its own, the child's protocol knows nothing of what front implements.
    Project.edit(project, "apps/back/lib/back.ex", ":shed", ":barn")
    alone = %{"MIX_BUILD_PATH" => Path.join(project.home, "build")}
    Project.prebuild(project, alone["MIX_BUILD_PATH"])
    {output, status} = push(child, device, [], alone)
    assert status == 1, output
    assert output =~ "refused: Elixir.Back.Price is consolidated here without"
    assert output =~ "Elixir.Back.Price.Front.Pear"
    assert output =~ "--force"
    assert output =~ "Nothing was changed on #{device.node}"

    assert Device.eval(device, "{Front.hi(), Back.Price.price(struct(Front.Pear))}") ==
             {{:door, :shed}, 2}

    output = push!(child, device, ["--force"], alone)
    assert "Elixir.Back.Price" in deployed(output)
    assert Device.eval(device, "Back.Price.impl_for(struct(Front.Pear))") == nil
    assert Device.eval(device, "Back.Price.price(struct(Back.Apple))") == 1
    again(child, device, [], alone)

    # The root knows all of them, and puts it right.
    assert deployed(push!(project, device)) == ["Elixir.Back.Price", "Elixir.Front"]

    assert Device.eval(device, "{Front.hi(), Back.Price.price(struct(Front.Pear))}") ==
             {{:hall, :barn}, 2}

    again(project, device)
  end

  test "a sibling that is no application of the push's own is edited here all the same",
       context do
    %{project: project, device: device} = context
    push!(project, device)

    Project.write(project, "config/config.exs", """
    import Config
    config :hotpush, app_name: :front
    """)

    Project.edit(project, "apps/back/lib/back.ex", "  def hi", "  # A comment.\n  def hi")
    assert "Elixir.Back.Apple" in deployed(push!(project, device))
    again(project, device)
    Project.write(project, "config/config.exs", "import Config\n")
  end

  # The child as its own project: same folder, hotpush among its dependencies.
  defp child(project) do
    dir = Path.join(project.dir, "apps/back")
    mix = Path.join(dir, "mix.exs")
    dep = inspect(Project.Source.hotpush_dep())
    File.write!(mix, String.replace(File.read!(mix), "deps: []", "deps: [#{dep}]"))
    %{project | app: :back, dir: dir}
  end
end
