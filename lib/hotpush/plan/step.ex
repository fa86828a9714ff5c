defmodule Hotpush.Plan.Step do
  @moduledoc """
  The behaviour of a kind of step, such as loading or removing modules. `Hotpush.Plan.Steps` lists
  the kinds.

  A step is a struct of its kind. The module of the kind says when a plan has such a step, what
  travels for it, how people and programs read it, and what the device has to answer for it to count
  as done. How the device does it is a function clause in `src/hotpush_agent.erl`.

  A plan has at most one step of each kind. If a plan has none, the functions that describe are called
  with an empty struct of the kind. All functions are pure.
  """

  alias Hotpush.{Config, Error, Plan, Scanner}
  alias Hotpush.Plan.Comparison
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.Device
  alias Hotpush.Report.Result

  @type t :: struct()

  @typedoc "What a plan is made from."
  @type input :: %{
          inventory: Inventory.t(),
          device: Device.t(),
          diff: Scanner.diff(),
          scope: Plan.ModuleFilter.t(),
          config: Config.t(),
          comparison: Comparison.t()
        }

  @typedoc "A module that is packed on the host."
  @type file :: %{module: String.t(), app: atom(), path: Path.t()}

  @typedoc """
  What travels: the name of the kind, and the argument of its clause in the agent. A list of
  `{name, app, binary}` may travel in chunks.
  """
  @type packed :: {atom(), [{String.t(), atom(), binary()}] | term()}

  @typedoc "What a step adds to the lists of a `Hotpush.Report.Result`."
  @type outcome :: %{optional(atom()) => list()}

  @typedoc """
  Reasons to refuse a push, as in `Hotpush.Error.Reasons` for `:refusal`. `--force` overrides those that
  are `:forcible`, and not those that are `:firm`.
  """
  @type refusals :: %{firm: [term()], forcible: [term()]}

  @doc "The step of this kind that the plan needs after these steps, or `nil`."
  @callback plan(input(), [t()]) :: t() | nil

  @doc "Notices about a plan of these steps, even if none of them is of this kind."
  @callback notices(input(), [t()]) :: [Plan.notice()]

  @doc """
  Why to refuse this step. `removes` are the modules that no longer exist after all steps of the plan.
  `Hotpush.Plan.Refusals` has what concerns the device as a whole.
  """
  @callback refusals(t(), input(), removes :: [String.t()]) :: refusals()

  @doc "How many things it changes on the device. A step that changes nothing accompanies others."
  @callback changes(t()) :: non_neg_integer()

  @doc "The modules whose code it replaces or removes."
  @callback touches(t()) :: [String.t()]

  @doc "The modules that no longer exist afterwards. A dry run asks who needs them."
  @callback removes(t()) :: [String.t()]

  @doc "The modules to pack for it."
  @callback files(t()) :: [file()]

  @doc "What travels for it. `packed` has its files, by module name."
  @callback pack(t(), packed :: %{String.t() => Scanner.packed()}) :: packed()

  @doc "The agent's modules that it needs besides `hotpush_agent`, given what travels for it."
  @callback agents(term()) :: [module()]

  @doc """
  The device's answer for it, taken from the device's description after the answer itself was lost.
  `Hotpush.Protocol.Answer` has its form.
  """
  @callback observe(t(), Device.t()) :: term()

  @doc """
  The outcome, according to the device's answer (`nil` if there is none). `why` returns the reason why
  a module was not loaded.
  """
  @callback read_back(
              t(),
              answer :: term(),
              packed :: %{String.t() => Scanner.packed()},
              why :: (String.t() -> term())
            ) :: outcome()

  @doc "What it is doing, for the progress line."
  @callback progress(t()) :: String.t() | nil

  @doc "A line for each thing that it would do."
  @callback would(t(), device :: String.t()) :: [String.t()]

  @doc "A line for each thing that it did."
  @callback did(Result.t(), device :: String.t()) :: [String.t()]

  @doc "A line with the reason of each thing, for `--verbose`."
  @callback reasons(t()) :: [String.t()]

  @doc "Its parts of a device's summary, and the verb for what it did, if it has one."
  @callback summary(t(), Result.t()) :: {[String.t()], String.t() | nil}

  @doc "Its fields in `planned` of the JSON document."
  @callback document(t()) :: keyword()

  @doc "An error about a module on which the step failed."
  @spec failure(String.t(), term()) :: Error.t()
  def failure(module, reason), do: Error.new(:load, module, reason)
end
