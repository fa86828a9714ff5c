defmodule Hotpush.HistoryTest do
  @moduledoc """
  A few commits of `bin/history`: a history of a library's replayed onto one device, which after
  each push runs what a compilation from nothing has, with its line numbers.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Git, History, Project, Run}

  @shape """
  defprotocol Shape do
    def area(shape)
  end
  """

  @square """
  defmodule Square do
    defstruct [:side]
    def new(side) when is_number(side), do: %Square{side: side}

    defimpl Shape do
      def area(square), do: square.side * square.side
    end
  end
  """

  @helper """
  defmodule Shape.Helper do
    def sum(shapes) when is_list(shapes), do: shapes |> Enum.map(&Shape.area/1) |> Enum.sum()
  end
  """

  @circle """
  defmodule Circle do
    defstruct [:radius]

    defimpl Shape do
      def area(circle), do: circle.radius * circle.radius * 3
    end
  end
  """

  # Ten compilations, beside those of all other tests.
  @tag timeout: 300_000
  test "a comment, a function, a rename, a removal, an implementation: nothing wrong is left" do
    origin = Run.dir("origin")

    Git.init(origin, %{
      "mix.exs" => Project.Source.app(app: :shapes, deps: [{:no_such_dep, "~> 1.0"}]),
      "lib/shape.ex" => @shape,
      "lib/square.ex" => @square,
      "lib/helper.ex" => @helper,
      "src/shapes.erl" => "-module(shapes).\n-export([all/1]).\nall(now) -> [].\n"
    })

    Git.commit(origin, %{
      "lib/square.ex" => "# A comment.\n\n" <> @square,
      "lib/helper.ex" => String.replace(@helper, "Enum.sum()", "Enum.max()")
    })

    # A rename, which leaves a removed module.
    Git.commit(origin, %{"lib/helper.ex" => String.replace(@helper, "Helper", "Total")})
    Git.commit(origin, %{"lib/circle.ex" => "defmodule Circle do\n  def broken(\nend\n"})
    File.rm!(Path.join(origin, "lib/helper.ex"))
    Git.commit(origin, %{"lib/circle.ex" => @circle, "src/shapes.erl" => erlang()})

    trials = History.replay(origin, 4)

    assert History.summary(trials) ==
             "4 commits: 3 pushed, 0 refused, 1 do not compile, 0 failed; 0 wrong code, " <>
               "0 wrong lines, 0 not settled by a second push"

    assert History.right?(trials)
  end

  defp erlang, do: "-module(shapes).\n-export([all/1]).\n\nall(now) -> [circle].\n"
end
