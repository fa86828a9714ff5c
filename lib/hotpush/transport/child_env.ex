defmodule Hotpush.Transport.ChildEnv do
  @moduledoc """
  The environment of the programs that are started here: that of this VM, without cookies.

  `ssh`, `adb` and the like need none, may hand their environment on, and some of them stay when
  this VM has ended. What is unset is `HOTPUSH_COOKIE` and every other variable with COOKIE in its
  name, as one that `cookie_env` names should have.
  """

  @doc "What to unset, for `System.cmd/3`."
  @spec env() :: [{String.t(), nil}]
  def env do
    for {name, _value} <- System.get_env(), secret?(name), do: {name, nil}
  end

  @doc "What to unset, for `Port.open/2`."
  @spec port_env() :: [{charlist(), false}]
  def port_env, do: for({name, nil} <- env(), do: {String.to_charlist(name), false})

  # A name that is no text cannot be unset.
  defp secret?(name), do: String.valid?(name) and String.upcase(name) =~ "COOKIE"
end
