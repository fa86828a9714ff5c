defmodule Hotpush.ApiTest do
  @moduledoc "The examples in the documentation; they take the hotpush project itself."
  use ExUnit.Case, async: false

  doctest Hotpush
  doctest Hotpush.Options
end
