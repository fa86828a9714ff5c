defmodule Hotpush.Project.Platform do
  @moduledoc """
  The applications of Elixir and of Erlang/OTP as they are installed here. They come from a
  device's own image and are never pushed.
  """

  @typedoc "The application of each module."
  @type t :: %{optional(module_name :: String.t()) => application :: String.t()}

  @doc "Their modules, by name, each with its application. Reads their folders once."
  @spec modules() :: t()
  def modules do
    for {app, dir} <- apps(),
        {:ok, files} <- [:file.list_dir(Path.join(dir, "ebin"))],
        file <- files,
        :filename.extension(file) == ~c".beam",
        into: %{},
        do: {file |> :filename.rootname() |> List.to_string(), app}
  end

  @doc "The names of these applications, without their versions."
  @spec names() :: [String.t()]
  def names, do: Enum.map(apps(), &elem(&1, 0))

  defp apps do
    for lib <- [to_string(:code.lib_dir()), Path.expand("..", :code.lib_dir(:elixir))],
        {:ok, dirs} <- [File.ls(lib)],
        dir <- dirs,
        do: {dir |> String.split("-") |> hd(), Path.join(lib, dir)}
  end
end
