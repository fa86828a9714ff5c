defmodule Hotpush.ErrorTest do
  @moduledoc "Every error has a message, also one whose reason nobody has written a sentence for."
  use ExUnit.Case, async: true

  alias Hotpush.Error
  alias Hotpush.Error.Prose

  @stages [:usage, :compile, :scan, :discover, :connect, :ask, :refusal, :stage, :load, :fault]

  test "a reason without a sentence is named by its kind, and shows nothing else" do
    for stage <- @stages,
        reason <- [:strange, {:strange, "sesame"}, {:strange, %{a: "sesame"}, 1, 2}, "sesame", {}],
        subject <- ["porch", :a@b, nil, {:no, "sesame"}] do
      message = Error.message(Error.new(stage, subject, reason))
      assert String.valid?(message) and message != "", inspect({stage, reason, subject})
      assert is_binary(Prose.kind(Error.new(stage, subject, reason)))
    end

    message = Error.message(Error.new(:connect, "porch", {:strange, "sesame"}))
    assert message == "porch: connect failed (strange). Please report this sentence."
  end
end
