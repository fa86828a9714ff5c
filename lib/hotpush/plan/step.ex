defmodule Hotpush.Plan.Step do
  @moduledoc """
  A kind of thing to do on a device: what a module of `Hotpush.Plan.Steps` knows about its steps.

  A step is a struct of its kind. Its kind says here when a plan has one, what travels for it, how
  people and programs read it, and what a device has to answer for it to count as done. How a device
  does it is a function clause of its own in `src/hotpush_agent.erl`.

  A plan has at most one step of each kind. A function that describes is called with an empty struct
  of the kind if the plan has none. All of it is pure.
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
  What travels: the name of the kind, and what its clause of the agent is given. Where that is a list
  of `{name, app, binary}`, it may travel in chunks.
  """
  @type packed :: {atom(), [{String.t(), atom(), binary()}] | term()}

  @typedoc "What a step adds to a `Hotpush.Report.Result`: the lists there, longer by these."
  @type outcome :: %{optional(atom()) => list()}

  @doc "The step of this kind that the plan needs behind these steps, or `nil`."
  @callback plan(input(), [t()]) :: t() | nil

  @doc "Notices about a plan of these steps, whether one of this kind is among them or not."
  @callback notices(input(), [t()]) :: [Plan.notice()]

  @doc "How many things it changes on the device. A step that changes none goes with others."
  @callback changes(t()) :: non_neg_integer()

  @doc "The modules whose code it replaces or takes away."
  @callback touches(t()) :: [String.t()]

  @doc "The modules that are gone afterwards: a dry run asks who needs them."
  @callback removes(t()) :: [String.t()]

  @doc "The modules that have to be packed for it."
  @callback files(t()) :: [file()]

  @doc "What travels for it. `packed` are its files, by the names of the modules."
  @callback pack(t(), packed :: %{String.t() => Scanner.packed()}) :: packed()

  @doc "The modules of the agent that it needs besides `hotpush_agent`, given what travels for it."
  @callback agents(term()) :: [module()]

  @doc """
  The device's answer for it (its form is in `Hotpush.Protocol.Answer`), read off the device's
  description where the answer itself was lost.
  """
  @callback observe(t(), Device.t()) :: term()

  @doc """
  What came of it, judged by the device's answer (`nil` if there is none). `why` returns the reason
  why a module was not loaded.
  """
  @callback read_back(
              t(),
              answer :: term(),
              packed :: %{String.t() => Scanner.packed()},
              why :: (String.t() -> term())
            ) :: outcome()

  @doc "What it is doing, for the line of progress."
  @callback progress(t()) :: String.t() | nil

  @doc "A line for each thing that it would do."
  @callback would(t(), device :: String.t()) :: [String.t()]

  @doc "A line for each thing that was done."
  @callback did(Result.t(), device :: String.t()) :: [String.t()]

  @doc "A line with the reason of each thing, for `--verbose`."
  @callback reasons(t()) :: [String.t()]

  @doc "Its parts of the summary of a device, and the word for what was done, if it has one."
  @callback summary(t(), Result.t()) :: {[String.t()], String.t() | nil}

  @doc "Its fields of `planned` in the JSON document."
  @callback document(t()) :: keyword()

  @doc "An error about a module that is not as it should be."
  @spec failure(String.t(), term()) :: Error.t()
  def failure(module, reason), do: Error.new(:load, module, reason)
end
