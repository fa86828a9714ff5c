defmodule Hotpush.Plan.Step.Load do
  @moduledoc "Loads modules: first those with `on_load`, then all others at once. Pure."

  @behaviour Hotpush.Plan.Step

  alias Hotpush.Plan.{Action, Protocols, Step}
  alias Hotpush.Protocol.Device
  alias Hotpush.Text

  defstruct modules: []

  @type t :: %__MODULE__{modules: [Action.t()]}

  @reasons %{
    new: "new",
    code: "its code differs",
    lines: "its line numbers differ",
    lines_or_docs: "its line numbers or its docs differ",
    forced: "--all"
  }

  @impl true
  def plan(%{comparison: %{load: []}}, _steps), do: nil
  def plan(%{comparison: %{load: actions}}, _steps), do: %__MODULE__{modules: actions}

  @impl true
  def notices(%{comparison: comparison, device: device, inventory: inventory}, _steps) do
    new_apps =
      for app <- comparison.load |> Enum.map(&to_string(&1.app)) |> Enum.uniq(),
          app != "elixir",
          match?(%{known?: false}, device.apps[app]),
          do: {:new_app, app}

    stale =
      for {app, actions} <- Enum.group_by(comparison.dev, &to_string(&1.app)),
          do: {:stale_dev, app, Enum.map(actions, & &1.module)}

    new_apps ++
      stale ++
      named(:start_not_run, callbacks(comparison.load, inventory.apps, device)) ++
      named(:nif_skipped, Enum.map(comparison.skipped, & &1.module)) ++
      named(:target_kept, comparison.kept |> Enum.map(& &1.module) |> Enum.sort())
  end

  # The callback modules of running applications, if their code changes.
  defp callbacks(load, apps, device) do
    changed = for %{reason: reason, module: name} <- load, reason in [:code, :new], do: name

    for %{mod: mod, name: name} <- apps,
        match?(%{running?: true}, device.apps[to_string(name)]),
        to_string(mod) in changed,
        do: to_string(mod)
  end

  defp named(_kind, []), do: []
  defp named(kind, modules), do: [{kind, modules}]

  @impl true
  def refusals(%{modules: load}, %{inventory: inventory, device: device}, removed) do
    %{
      firm: Protocols.plain(load, inventory, device),
      forcible:
        named(:name_taken, for(action <- load, taken?(action, device), do: action.module)) ++
          Protocols.loses(load, removed, inventory, device) ++
          Protocols.gains(load, removed, inventory, device) ++
          named(:nif_loaded, for(a <- load, a.module in device.nifs, do: a.module))
    }
  end

  # The device was asked by name about modules outside of the project's applications. If it has one, it
  # belongs to Elixir or OTP, and everything there uses it. A project replaces only their consolidated
  # protocols.
  defp taken?(%{beam: %{kind: kind}, module: name}, device),
    do: kind != :elixir and match?(%{app: ""}, device.modules[name])

  @impl true
  def changes(%{modules: modules}), do: length(modules)

  @impl true
  def touches(%{modules: modules}), do: Enum.map(modules, & &1.module)

  @impl true
  def removes(_step), do: []

  @impl true
  def files(%{modules: modules}),
    do: for(a <- modules, do: %{module: a.module, app: a.app, path: a.beam.entry.path})

  @impl true
  def pack(%{modules: modules}, packed),
    do: {:load, for(a <- modules, do: {a.module, a.app, packed[a.module].beam})}

  @impl true
  def agents(modules), do: if(on_load?(modules), do: [:hotpush_on_load], else: [])

  # Only the loader can tell, since on_load is visible only in the code. Preparing loads nothing here.
  # The names are those of the project's own files, so they may become atoms. A module that the loader
  # does not accept may have an on_load too.
  defp on_load?(modules) do
    modules = for {name, _, beam} <- modules, do: {String.to_atom(name), ~c"", beam}
    modules != [] and match?({:error, _}, :code.prepare_loading(modules))
  end

  @impl true
  def observe(step, device), do: Device.identities(device, touches(step))

  # Only what the device runs counts as deployed.
  @impl true
  def read_back(%{modules: modules}, answer, packed, why) do
    runs = Map.new(answer || [])
    {deployed, other} = Enum.split_with(modules, &runs?(runs[&1.module], packed[&1.module]))
    {added, loaded} = Enum.split_with(deployed, &(&1.reason == :new))

    %{
      loaded: Enum.map(loaded, & &1.module),
      added: Enum.map(added, & &1.module),
      failures: Enum.map(other, &Step.failure(&1.module, why.(&1.module)))
    }
  end

  # A device's description has only the beginnings of digests.
  defp runs?({md5, digest}, packed) when is_binary(digest),
    do: begins?(packed.md5, md5) and begins?(packed.digest, digest)

  defp runs?(_identity, _packed), do: false

  defp begins?(whole, part), do: part != "" and String.starts_with?(whole, part)

  @impl true
  def progress(%{modules: modules}), do: "loading #{Text.count(length(modules), "module")}"

  @impl true
  def would(step, device) do
    for action <- step.modules,
        do: "Would deploy #{action.module} to #{device} (#{@reasons[action.reason]})"
  end

  @impl true
  def did(result, device) do
    for name <- Enum.sort(result.loaded ++ result.added),
        do: "Successfully deployed #{name} to #{device}"
  end

  @impl true
  def reasons(%{modules: modules}),
    do: for(action <- modules, do: "#{action.module}: #{@reasons[action.reason]}")

  @impl true
  def summary(%{modules: []}, _result), do: {[], nil}

  def summary(%{modules: modules}, %{status: status, checked: checked}) do
    planned? = status == :planned
    {forced, other} = Enum.split_with(modules, &(&1.reason == :forced))

    differed =
      if other != [] or forced == [],
        do: "#{length(other)} of #{Text.count(checked, "module")} #{differ(planned?, other)}"

    {Enum.reject([differed, forced(forced, other, planned?)], &is_nil/1),
     if(other != [], do: "loaded")}
  end

  defp differ(false, _modules), do: "differed"
  defp differ(true, [_]), do: "differs"
  defp differ(true, _modules), do: "differ"

  defp forced([], _other, _planned?), do: nil

  defp forced(forced, other, planned?) do
    count = length(forced)
    count = if other == [], do: Text.count(count, "module"), else: "#{count} more"
    "#{count} #{if planned?, do: "to load", else: "loaded"} (--all)"
  end

  @impl true
  def document(%{modules: modules}),
    do: [load: Enum.map(modules, &[module: &1.module, app: &1.app, reason: &1.reason])]
end
