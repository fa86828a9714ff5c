defmodule Hotpush.Transport.Ssh.Program do
  @moduledoc "The programs that a device evaluates for `ssh host '<expression>'`. Pure."

  alias Hotpush.Protocol.Question
  alias Hotpush.Transport.Ssh.Frame

  # The device ends the visit by itself if it has heard nothing for this long (ms).
  @silence 15_000

  @doc "The expression: it reads the rest of the program from its input."
  @spec bootstrap() :: String.t()
  def bootstrap do
    ~S|:erl_eval.expr(:erlang.binary_to_term(:base64.decode(IO.gets(""))),[],:none,:none,:value)|
  end

  @doc "The program that the bootstrap reads."
  @spec text() :: iodata()
  def text, do: Frame.line(Question.link(@silence))
end
