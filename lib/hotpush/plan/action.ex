defmodule Hotpush.Plan.Action do
  @moduledoc """
  One module to load (`:new`, `:code`, `:lines`, `:lines_or_docs`, `:forced`) or to remove
  (`:gone`). With `:restore?`, the firmware may have a module of the same name, which then runs again.
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
