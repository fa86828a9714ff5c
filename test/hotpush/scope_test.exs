defmodule Hotpush.ScopeTest do
  @moduledoc """
  What `--module` and `--app` select. Without these tests, a push could have more or fewer modules than
  the user asked for.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Error
  alias Hotpush.Plan.ModuleFilter
  alias Hotpush.Project.Inventory
  alias Hotpush.Project.Inventory.Beam

  @names [
    {"Elixir.Example", :example},
    {"Elixir.Example.Foo", :example},
    {"Elixir.Example.Foo.Bar", :example},
    {"Elixir.ExampleTwo", :two},
    {"example_erl", :example}
  ]

  @inventory %Inventory{
    beams: for({name, app} <- @names, into: %{}, do: {name, %Beam{module: name, app: app}})
  }

  defp resolve(patterns, apps \\ []) do
    with {:ok, scope} <- ModuleFilter.resolve(patterns, apps, @inventory) do
      for {name, _} <- @names, ModuleFilter.includes?(scope, name), do: name
    end
  end

  test "no pattern means all" do
    assert ModuleFilter.resolve([], [], @inventory) == {:ok, :all}
    assert ModuleFilter.includes?(:all, "anything")
  end

  test "a module may be named with or without Elixir." do
    for name <- ["Example.Foo", "Elixir.Example.Foo"] do
      assert resolve([name]) == ["Elixir.Example.Foo"]
    end

    for name <- [":example_erl", "example_erl"], do: assert(resolve([name]) == ["example_erl"])
  end

  test ".* selects the modules below a name, and only those" do
    assert resolve(["Example.*"]) == ["Elixir.Example.Foo", "Elixir.Example.Foo.Bar"]
    assert resolve(["Example.Foo.*", "Example"]) == ["Elixir.Example", "Elixir.Example.Foo.Bar"]
  end

  test "applications and modules add up" do
    assert resolve([], [:two]) == ["Elixir.ExampleTwo"]
    assert resolve([":example_erl"], [:two]) == ["Elixir.ExampleTwo", "example_erl"]
  end

  test "a pattern that matches nothing is an error with a suggestion" do
    assert {:error, error} = resolve(["Example.Fo"])
    assert Error.message(error) =~ "no module of this project is named Example.Fo."
    assert Error.message(error) =~ "Did you mean Example.Foo"
    assert {:error, error} = resolve(["Nothing.Alike.*"])
    refute Error.message(error) =~ "Did you mean"
  end
end
