defmodule Hotpush.Plan.Step.Remove do
  @moduledoc """
  Removes modules, in the same transaction as loading. If the device's firmware has a module of the
  same name, the device runs that one again. Pure.
  """

  @behaviour Hotpush.Plan.Step

  alias Hotpush.Plan.{Action, Removals, Step}
  alias Hotpush.Protocol.{Device, Stub}
  alias Hotpush.Text

  defstruct modules: []

  @type t :: %__MODULE__{modules: [Action.t()]}

  @impl true
  def plan(%{inventory: inventory, device: device, diff: diff, scope: scope}, _steps) do
    case Removals.of(inventory, device, diff, scope) do
      [] -> nil
      actions -> %__MODULE__{modules: actions}
    end
  end

  @impl true
  def notices(%{inventory: inventory, device: device, scope: scope}, _steps),
    do: Removals.notices(inventory, device, scope)

  @impl true
  def refusals(_step, _input, _removes), do: %{firm: [], forcible: []}

  @impl true
  def changes(%{modules: modules}), do: length(modules)

  @impl true
  def touches(%{modules: modules}), do: Enum.map(modules, & &1.module)

  @impl true
  def removes(%{modules: modules}),
    do: for(%{restore?: false, module: name} <- modules, do: name)

  @impl true
  def files(_step), do: []

  @impl true
  def pack(%{modules: modules}, _packed),
    do: {:remove, for(a <- modules, do: {a.module, a.app, stub(a)})}

  # The firmware's module comes back.
  defp stub(%{restore?: true}), do: ""
  defp stub(action), do: Stub.beam(action.module, action.app)

  @impl true
  def agents(_modules), do: [:hotpush_remove, :hotpush_lives]

  @impl true
  def observe(step, device), do: Device.identities(device, touches(step))

  @impl true
  def read_back(%{modules: modules}, answer, _packed, _why) do
    runs = Map.new(answer || [])
    {gone, still} = Enum.split_with(modules, &gone?(runs[&1.module], &1))
    restored = for action <- gone, own?(runs[action.module], action), do: action.module

    %{
      deleted: Enum.map(gone, & &1.module),
      failures: Enum.map(still, &Step.failure(&1.module, :still_there)),
      notices: if(restored == [], do: [], else: [{:restored, restored}])
    }
  end

  defp gone?(:not_loaded, _action), do: true
  defp gone?({_md5, :removed}, _action), do: true
  defp gone?(identity, action), do: own?(identity, action)

  # It came with no push, so it is the firmware's.
  defp own?({_md5, :none}, %{restore?: true}), do: true
  defp own?(_identity, _action), do: false

  @impl true
  def progress(%{modules: modules}), do: "removing #{Text.count(length(modules), "module")}"

  @impl true
  def would(step, device),
    do: for(action <- step.modules, do: "Would delete #{Text.name(action.module)} from #{device}")

  @impl true
  def did(result, device),
    do: for(name <- result.deleted, do: "Successfully deleted #{Text.name(name)} from #{device}")

  @impl true
  def reasons(_step), do: []

  @impl true
  def summary(%{modules: []}, _result), do: {[], nil}

  def summary(%{modules: modules}, result) do
    verb = if result.status == :planned, do: "to remove", else: "removed"
    count = length(modules)
    # Without modules before it, it says what it counts.
    count = if result.plan.load == [], do: Text.count(count, "module"), else: "#{count}"
    {["#{count} #{verb}"], nil}
  end

  @impl true
  def document(%{modules: modules}), do: [remove: Enum.map(modules, & &1.module)]
end
