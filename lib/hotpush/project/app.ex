defmodule Hotpush.Project.App do
  @moduledoc """
  One application of the project.

  `:kind` is `:own` (of this project), `:dep` (a runtime dependency) or `:dev` (only in development
  firmware: a dependency with an `only:` without `:prod`, or one that only such dependencies need).
  `:editable?` says that its sources are edited in place: an own application, a path dependency, a
  sibling in the umbrella. `:mod` is its callback module, whose `start/2` starts it.
  """

  defstruct [:name, :kind, :ebin, :vsn, :mod, editable?: false, modules: []]

  @type t :: %__MODULE__{
          name: atom(),
          kind: :own | :dep | :dev,
          ebin: Path.t(),
          vsn: String.t() | nil,
          mod: module() | nil,
          editable?: boolean(),
          modules: [module()]
        }

  @doc "An application as its .app file describes it. `keys` are those of the file, `ebin` is its folder."
  @spec new(atom(), :own | :dep | :dev, Path.t(), keyword()) :: t()
  def new(name, kind, ebin, keys) do
    %__MODULE__{
      name: name,
      kind: kind,
      ebin: ebin,
      vsn: to_string(keys[:vsn]),
      mod: callback(keys[:mod]),
      modules: keys[:modules] || []
    }
  end

  defp callback({module, _argument}) when is_atom(module), do: module
  defp callback(_none), do: nil

  @doc "The applications that one needs, by the keys of its .app file."
  @spec needs(keyword()) :: [atom()]
  def needs(keys), do: (keys[:applications] || []) ++ (keys[:included_applications] || [])
end
