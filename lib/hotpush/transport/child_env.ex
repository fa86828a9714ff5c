defmodule Hotpush.Transport.ChildEnv do
  @moduledoc """
  The environment of the programs that are started here: that of this VM, without cookies.

  `ssh`, `adb` and the like need none, may hand their environment on, and some of them stay when
  this VM has ended. `HOTPUSH_COOKIE`, every other variable with COOKIE in its name, and those that
  `cookie_env` of a `hotpush.toml` names are unset for them. This VM's own environment, and that of
  programs that others start in it, stays as it is.
  """

  alias Hotpush.Transport.ChildEnv.Withheld

  @doc "What to unset, for `System.cmd/3`."
  @spec env() :: [{String.t(), nil}]
  def env do
    named = Withheld.names()
    for {name, _value} <- System.get_env(), secret?(name, named), do: {name, nil}
  end

  @doc "What to unset, for `Port.open/2`."
  @spec port_env() :: [{charlist(), false}]
  def port_env, do: for({name, nil} <- env(), do: {String.to_charlist(name), false})

  # A name that is no text cannot be unset.
  defp secret?(name, named),
    do: String.valid?(name) and (String.upcase(name) =~ "COOKIE" or name in named)
end
