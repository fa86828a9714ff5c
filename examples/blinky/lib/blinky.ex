defmodule Blinky do
  @moduledoc "A light that blinks, and a greeting. Change either while it runs."

  @doc "What the device says. Edit this, then run `mix upload.hotswap`."
  def hello do
    "Hello from blinky: the light has blinked #{Blinky.Led.blinks()} times"
  end
end
