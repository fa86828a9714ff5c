defmodule Hotpush.ApiTest do
  @moduledoc "The examples in the documentation; they take the hotpush project itself."
  use ExUnit.Case, async: false

  doctest Hotpush
  doctest Hotpush.Options

  # As a handler of the kernel's logger: what is logged comes here, and nowhere else.
  def log(event, %{config: %{test: test}}), do: send(test, {:logged, event.level, event.msg})

  setup do
    :ok = :logger.add_handler(__MODULE__, __MODULE__, %{config: %{test: self()}})
    :ok = :logger.set_handler_config(:default, :level, :none)

    on_exit(fn ->
      :logger.remove_handler(__MODULE__)
      :logger.set_handler_config(:default, :level, :all)
      # connect/1 leaves this VM a node; other tests start one of their own.
      :net_kernel.stop()
    end)
  end

  test "connect/1 says why a device is missing" do
    assert Hotpush.connect(node: "nobody@127.0.0.1", timeout: 2_000) == []
    assert_received {:logged, :warning, {"~ts", [sentence]}}
    assert sentence =~ ~r/^nobody@127.0.0.1: (the epmd at|no epmd answers at) 127.0.0.1/
  end
end
