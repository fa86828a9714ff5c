defmodule Hotpush.SiblingsTest do
  @moduledoc "An umbrella of which `app_name:` names one application."
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
  """

  @front """
  defmodule Front do
    def hi, do: {:front, Back.hi()}
  end

  defmodule Front.Pear do
    defstruct []
  end
  """

  @config """
  import Config
  if app = System.get_env("APP_NAME"), do: config(:hotpush, app_name: String.to_atom(app))
  """

  test "what it depends on goes along; what it dispatches to and does not depend on is refused" do
    project =
      Project.new(
        app: :roof,
        config: @config,
        children: [
          front: [files: %{"lib/front.ex" => @front}, deps: [{:back, in_umbrella: true}]],
          back: [files: %{"lib/back.ex" => @back}]
        ]
      )

    device = Device.start(release: Project.release(project))
    [front, back] = for app <- ~w(front back), do: %{"APP_NAME" => app}
    for env <- [front, back, %{}], do: again(project, device, [], env)

    Project.edit(project, "apps/front/lib/front.ex", ":front", ":porch")
    Project.edit(project, "apps/back/lib/back.ex", ":back", ":yard")
    assert deployed(push!(project, device, [], front)) == ["Elixir.Back", "Elixir.Front"]
    assert Device.eval(device, "Front.hi()") == {:porch, :yard}
    for env <- [front, back, %{}], do: again(project, device, [], env)

    # An edit in the sibling changes the protocol.
    Project.write(project, "apps/front/lib/price.ex", """
    defimpl Back.Price, for: Front.Pear do
      def price(_), do: 2
    end
    """)

    for args <- [["--dry-run"], []] do
      {output, status} = push(project, device, args, back)
      assert status == 1, output

      assert output =~
               "refused: Elixir.Back.Price is consolidated here with Elixir.Back.Price.Front.Pear, " <>
                 "which #{device.node} does not have and this push leaves out"

      assert output =~ "Nothing was changed on #{device.node}"
    end

    {output, 1} = push(project, device, ["--app", "back"])
    assert output =~ "is consolidated here with Elixir.Back.Price.Front.Pear"
    assert Device.eval(device, "Back.Price.impl_for(struct(Front.Pear))") == nil

    assert deployed(push!(project, device, [], front)) ==
             ["Elixir.Back.Price", "Elixir.Back.Price.Front.Pear"]

    assert Device.eval(device, "Back.Price.price(struct(Front.Pear))") == 2
    for env <- [front, back, %{}], do: again(project, device, [], env)
  end
end
