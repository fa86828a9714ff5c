defmodule Hotpush.ApiTest do
  @moduledoc "The examples in the documentation, run in the hotpush project itself."
  use ExUnit.Case, async: false

  doctest Hotpush
  doctest Hotpush.Config.Options

  # This module is the only handler of the kernel's logger, so all log messages come here.
  def log(event, %{config: %{test: test}}), do: send(test, {:logged, event.level, event.msg})

  setup do
    :ok = :logger.add_handler(__MODULE__, __MODULE__, %{config: %{test: self()}})
    :ok = :logger.set_handler_config(:default, :level, :none)

    on_exit(fn ->
      :logger.remove_handler(__MODULE__)
      :logger.set_handler_config(:default, :level, :all)
      # After connect/1, this VM stays a node, but other tests start their own.
      :net_kernel.stop()
    end)
  end

  test "wrong options are a Hotpush.Error with a sentence" do
    assert_raise Hotpush.Error, "device: takes a string or an atom, got {1}.", fn ->
      Hotpush.connect(device: {1})
    end

    assert {:error, %Hotpush.Error{}} = Hotpush.push_all_to_device({1})

    for {option, says} <- [
          discover: ~r/^discover: is an option of the mix task/,
          json: ~r/^json: /
        ] do
      value = if option == :json, do: "-", else: true
      options = [{option, value}, {:node, "nobody@127.0.0.1"}, {:compile, false}]
      assert {:error, error} = Hotpush.push(options)
      assert Exception.message(error) =~ says
      assert {:error, ^error} = Hotpush.plan(options)
      assert_raise Hotpush.Error, says, fn -> Hotpush.connect(options) end
    end
  end

  test "connect/1 says why a device is missing" do
    assert Hotpush.connect(node: "nobody@127.0.0.1", timeout: 2_000) == []
    assert_received {:logged, :warning, {"~ts", [sentence]}}
    # An epmd may or may not be running here, with or without names.
    assert sentence =~
             ~r/^nobody@127.0.0.1: (the epmd at|no epmd answers at|no node is .* at) 127.0.0.1/
  end
end
