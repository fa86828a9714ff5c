defmodule Hotpush.Transport.ChildEnv do
  @moduledoc """
  The environment of the programs that Hotpush starts: that of this VM, without cookies.

  `ssh`, `adb` and other programs need no cookie, may pass their environment on, and some of them keep
  running after this VM has ended. For them, `HOTPUSH_COOKIE`, every other variable with COOKIE in its
  name, and those that `cookie_env` in a `hotpush.toml` names are unset. This VM's own environment does
  not change, nor does that of programs that others start in it.
  """

  alias Hotpush.Transport.ChildEnv.Withheld

  @doc "The variables to unset, for `System.cmd/3`."
  @spec env() :: [{String.t(), nil}]
  def env do
    named = Withheld.names()
    for {name, _value} <- System.get_env(), secret?(name, named), do: {name, nil}
  end

  @doc "The variables to unset, for `Port.open/2`."
  @spec port_env() :: [{charlist(), false}]
  def port_env, do: for({name, nil} <- env(), do: {String.to_charlist(name), false})

  # A name that is not valid text cannot be unset.
  defp secret?(name, named),
    do: String.valid?(name) and (String.upcase(name) =~ "COOKIE" or name in named)
end
