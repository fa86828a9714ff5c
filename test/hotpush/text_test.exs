defmodule Hotpush.TextTest do
  use ExUnit.Case, async: true
  doctest Hotpush.Text
  doctest Hotpush.JSON

  test "JSON that Python reads back" do
    value = "quote \" back \\ tab \t bell \a line \n é 漢 \u2028 del \x7F"
    json = Hotpush.JSON.encode(text: value, list: [1, -2, 0.1, 1.0e300], bad: <<"a", 255>>)
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
