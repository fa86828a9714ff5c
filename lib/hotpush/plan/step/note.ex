defmodule Hotpush.Plan.Step.Note do
  @moduledoc """
  Notes on the device who pushed last, together with steps that change something. `note: false` in
  the Mix config leaves it out, and takes away the note of an earlier push. Pure.
  """

  @behaviour Hotpush.Plan.Step

  alias Hotpush.Protocol.LastPush

  defstruct [:note]

  @type t :: %__MODULE__{note: LastPush.t() | nil}

  @impl true
  def plan(_input, []), do: nil
  # The note of another push would no longer be true.
  def plan(%{config: %{note?: false}, device: %{last_push: nil}}, _steps), do: nil
  def plan(%{config: %{note?: false}}, _steps), do: %__MODULE__{}

  def plan(%{config: config, inventory: inventory}, _steps),
    do: %__MODULE__{note: LastPush.new(config, inventory)}

  # A push that replaces somebody else's work says whose it was.
  @impl true
  def notices(_input, []), do: []
  def notices(%{device: %{last_push: nil}}, _steps), do: []

  def notices(%{config: config, inventory: inventory, device: %{last_push: last}}, _steps) do
    ours = LastPush.new(config, inventory)
    if LastPush.same?(last, ours), do: [], else: [{:last_push, last, last.by == ours.by}]
  end

  @impl true
  def refusals(_step, _input, _removes), do: %{firm: [], forcible: []}

  @impl true
  def changes(_step), do: 0

  @impl true
  def touches(_step), do: []

  @impl true
  def removes(_step), do: []

  @impl true
  def files(_step), do: []

  @impl true
  def pack(%{note: nil}, _packed), do: {:note, ""}
  def pack(%{note: note}, _packed), do: {:note, LastPush.encode(note)}

  @impl true
  def agents(_note), do: []

  @impl true
  def observe(%{note: nil}, %{last_push: last}), do: if(last == nil, do: :noted, else: :none)

  def observe(%{note: note}, %{last_push: last}),
    do: if(last != nil and %{last | seconds: 0} == note, do: :noted, else: :none)

  # The code runs even without the note.
  @impl true
  def read_back(_step, :noted, _packed, _why), do: %{}
  def read_back(_step, _none, _packed, _why), do: %{notices: [{:not_noted, []}]}

  @impl true
  def progress(_step), do: nil

  @impl true
  def would(_step, _device), do: []

  @impl true
  def did(_result, _device), do: []

  @impl true
  def reasons(_step), do: []

  @impl true
  def summary(_step, _result), do: {[], nil}

  @impl true
  def document(_step), do: []
end
