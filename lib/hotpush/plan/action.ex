defmodule Hotpush.Plan.Action do
  @moduledoc """
  One module to load (`:new`, `:code`, `:lines`, `:lines_or_docs`, `:forced`) or to remove
  (`:gone`). `:restore?` says that the device may have its own of that name, and gets it back.
  """

  alias Hotpush.Project.Inventory

  defstruct [:module, :app, :reason, :beam, restore?: false]

  @type t :: %__MODULE__{
          module: String.t(),
          app: atom(),
          reason: :new | :code | :lines | :lines_or_docs | :forced | :gone,
          beam: Inventory.Beam.t() | nil,
          restore?: boolean()
        }
end
