defmodule Hotpush.TextTest do
  @moduledoc """
  Text for a terminal. Without these tests, text from a device could control the user's terminal.
  """
  use ExUnit.Case, async: true
  doctest Hotpush.Text
  doctest Hotpush.Report.JSON

  test "invisible characters are shown, on a terminal and in a document" do
    for char <- [0x7, 0x1B, 0x7F, 0x85, 0x061C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202E, 0x2066] do
      for text <- [
            Hotpush.Text.printable(<<"a", char::utf8>>),
            Hotpush.Report.JSON.encode(<<char::utf8>>)
          ] do
        refute String.contains?(text, <<char::utf8>>), Integer.to_string(char, 16)
      end
    end
  end

  test "a long text needs little more memory than its own size" do
    text = String.duplicate("a\n", 2_000_000)

    for {name, fun} <- [printable: &Hotpush.Text.printable/1, json: &Hotpush.Report.JSON.encode/1] do
      caller = self()

      # In words, this is 64 MB. As a list of characters, it would be five times that.
      options = [max_heap_size: %{size: 8_000_000, kill: true, error_logger: false}]

      {_, ref} =
        Process.spawn(fn -> send(caller, {name, byte_size(fun.(text))}) end, [:monitor | options])

      assert_receive {:DOWN, ^ref, :process, _, :normal}, 30_000
      assert_receive {^name, size} when size in 6_000_000..6_000_002
    end
  end

  test "Python reads the JSON back" do
    value = "quote \" back \\ tab \t bell \a line \n é 漢 \u2028 \u202E del \x7F"
    json = Hotpush.Report.JSON.encode(text: value, list: [1, -2, 0.1, 1.0e300], bad: <<"a", 255>>)
    refute json =~ "\n"

    script =
      "import json,sys; d=json.loads(sys.argv[1]); print(d['text']==sys.argv[2], d['list'], ascii(d['bad']))"

    case System.find_executable("python3") do
      nil ->
        assert json =~ ~S("list":[1,-2,0.1,1.0e300])

      python ->
        assert {"True [1, -2, 0.1, 1e+300] 'a\\ufffd'\n", 0} =
                 System.cmd(python, ["-c", script, json, value])
    end
  end
end
