defmodule Hotpush.CutsTest do
  @moduledoc "A few faults of `bin/cuts`: after a broken push, the report says what the device runs."
  use ExUnit.Case, async: false

  alias Hotpush.Test.Cuts

  test "whatever the fault, the device runs all of the old code or all of the new, and the report says which" do
    assert for(%{wrong: [_ | _]} = trial <- Cuts.run(8, 7), do: trial) == []
  end
end
