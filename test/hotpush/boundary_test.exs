defmodule Hotpush.BoundaryTest do
  @moduledoc "The house rules of guides/how_it_works.md, read off the compiled modules."
  use ExUnit.Case, async: true

  @pure [
    Hotpush.Plan,
    Hotpush.Plan.BuildTarget,
    Hotpush.Plan.Comparison,
    Hotpush.Plan.LineTables,
    Hotpush.Plan.Protocols,
    Hotpush.Plan.Refusals,
    Hotpush.Plan.Removals,
    Hotpush.Plan.Steps,
    Hotpush.Plan.Step.Load,
    Hotpush.Plan.Step.Note,
    Hotpush.Plan.Step.Remove,
    Hotpush.Report,
    Hotpush.Report.Lines,
    Hotpush.Report.Notices,
    Hotpush.Report.Document,
    Hotpush.Error,
    Hotpush.Error.Prose,
    Hotpush.Error.Prose.Adb,
    Hotpush.Error.Prose.Connect,
    Hotpush.Error.Prose.Discover,
    Hotpush.Error.Prose.Refusal,
    Hotpush.Error.Prose.Scan,
    Hotpush.Error.Prose.Settings,
    Hotpush.Error.Prose.Ssh,
    Hotpush.Error.Prose.Tls,
    Hotpush.Error.Prose.Usage,
    Hotpush.Error.Prose.Waiting,
    Hotpush.Config.Address,
    Hotpush.Config.Target,
    Hotpush.Plan.ModuleFilter,
    Hotpush.Config.Toml.Document,
    Hotpush.Config.Toml.Gitignore,
    Hotpush.Config.Toml.Selection,
    Hotpush.Config.Toml.Template,
    Hotpush.Report.Result,
    Hotpush.Report.LostAnswer,
    Hotpush.Text,
    Hotpush.Report.Counts,
    Hotpush.Protocol.Bundle,
    Hotpush.Protocol.Chunks,
    Hotpush.Protocol.LastPush,
    Hotpush.Protocol.SafeTerm,
    Hotpush.Protocol.Schema,
    Hotpush.Scanner.Portable.Diff,
    Hotpush.Scanner.Problems,
    Hotpush.Transport.Dist.Owner.Links,
    Hotpush.Transport.Ssh.Calls,
    Hotpush.Transport.Ssh.Command,
    Hotpush.Transport.Ssh.Exchange,
    Hotpush.Transport.Ssh.Frame,
    Hotpush.Transport.Ssh.Noise,
    Hotpush.Transport.Ssh.Diagnosis,
    Hotpush.Transport.Ssh.KnownHost,
    Hotpush.Report.JSON,
    Hotpush.Transport.Adb.Device,
    Hotpush.Config.Arguments,
    Hotpush.Config.Given,
    Hotpush.Config.MixConfig,
    Hotpush.Config.Switch,
    Hotpush.Config.Switches,
    Hotpush.Discovery.Devices.Document,
    Hotpush.Discovery.Devices.Row,
    Hotpush.Discovery.Devices.Table,
    Hotpush.Discovery.Found,
    Hotpush.Discovery.Trust,
    Hotpush.Report.Reload,
    Hotpush.Watch.Away,
    Hotpush.Watch.Gathering,
    Hotpush.Error.Fault
  ]
  @hands [File, :file, Process, GenServer, Agent, Task, Node, :erpc, :net_kernel, System, Port] ++
           [Hotpush.Native, Hotpush.Protocol.Session, Hotpush.Transport.Dist, Mix]

  setup_all do
    {:ok, modules} = :application.get_key(:hotpush, :modules)
    ours = Enum.reject(modules, &(inspect(&1) =~ "Hotpush.Test."))
    %{calls: Map.new(ours, &{&1, calls(&1)}), ours: ours}
  end

  # {module, function, arity} of every external call.
  defp calls(module) do
    {:ok, {_, [imports: imports]}} = module |> :code.which() |> :beam_lib.chunks([:imports])
    imports
  end

  test "pure modules call nothing that acts", %{calls: calls} do
    for module <- @pure, {hand, function, _} <- calls[module], function != :format_error do
      refute {module, hand} in Enum.map(@hands, &{module, &1})
    end
  end

  defp pairs(calls),
    do: for({module, list} <- calls, {called, _, _} <- list, do: {module, called})

  test "only lib/mix, MixFile, Workspace and CLI call Mix", %{calls: calls} do
    allowed = fn module ->
      module in [Hotpush.Project.MixFile, Hotpush.Project.Workspace, Hotpush.CLI] or
        inspect(module) =~ ~r/^Mix\.Tasks\./
    end

    for {module, called} <- pairs(calls), inspect(called) =~ ~r/^Mix(\.|$)/ do
      assert {allowed.(module), module, called} == {true, module, called}
    end
  end

  test "only modules below Transport.Dist use distribution", %{calls: calls} do
    for {module, list} <- calls,
        {called, function, _} <- list,
        called in [:erpc, :net_kernel, :erl_epmd, Node] or
          {called, function} in [{:erlang, :spawn_request}, {:erlang, :disconnect_node}] do
      assert {inspect(module) =~ "Hotpush.Transport.Dist", module} == {true, module}
    end
  end

  test "only the modules that wrap the native library call it", %{calls: calls} do
    callers = for {module, Hotpush.Native} <- pairs(calls), uniq: true, do: module

    allowed = [
      Hotpush.Scanner.Native,
      Hotpush.Scanner.Times,
      Hotpush.Scanner,
      Hotpush.Config.Toml,
      Hotpush.Discovery.Mdns,
      Hotpush.Watch.Events
    ]

    assert callers -- allowed == []
  end

  test "no program that is started gets a cookie", %{calls: calls} do
    for {module, list} <- calls,
        {called, function, _} <- list,
        {called, function} in [
          {System, :cmd},
          {System, :shell},
          {Port, :open},
          {:erlang, :open_port}
        ] or
          {called, function} == {:os, :cmd} do
      assert {module in [Hotpush.Transport.ChildEnv] or
                Hotpush.Transport.ChildEnv in Enum.map(list, &elem(&1, 0)),
              module} ==
               {true, module}
    end
  end

  test "what travels calls only kernel and stdlib" do
    libraries = for app <- [:kernel, :stdlib], do: :code.lib_dir(app)

    agents = for {module, _} <- elem(Hotpush.Protocol.Agents.stage(), 1), do: module

    for module <- [:hotpush_link, :hotpush_question | agents],
        {called, _, _} <- calls(module),
        called not in [module | agents] do
      # Preloaded modules, such as erlang, belong to the emulator.
      place = :code.which(called)

      assert {place == :preloaded or Enum.any?(libraries, &List.starts_with?(place, &1)), called} ==
               {true, called}
    end
  end

  # It would change the consolidated protocols of every project that uses Hotpush, but not those of its
  # firmware, so they would always differ.
  test "no protocol is implemented or derived", %{ours: ours} do
    for module <- ours, do: refute(function_exported?(module, :__impl__, 1), inspect(module))
  end

  # Here, each file is one module, and its calls show which others it needs. (What travels is one program
  # in parts.)
  test "no two modules need each other", %{calls: calls} do
    calls = Map.filter(calls, fn {module, _} -> inspect(module) =~ ~r/^[A-Z]/ end)
    graph = :digraph.new()
    for {module, _} <- calls, do: :digraph.add_vertex(graph, module)

    for {module, list} <- calls,
        {called, _, _} <- list,
        called != module and is_map_key(calls, called),
        do: :digraph.add_edge(graph, module, called)

    assert :digraph_utils.cyclic_strong_components(graph) == []
  end

  # HOTPUSH_NATIVE is read where the library is loaded. The other variables are those that ssh, a terminal
  # and a VM's node need.
  test "few modules read the environment", %{calls: calls} do
    readers =
      for {module, list} <- calls,
          {System, function, _} <- list,
          function in [:get_env, :fetch_env, :fetch_env!],
          uniq: true,
          do: module

    allowed = [
      Mix.Tasks.Hotpush.Devices,
      Mix.Tasks.Upload.Hotswap,
      Hotpush.Project.Workspace,
      Hotpush.Native,
      Hotpush.CLI.Terminal,
      Hotpush.Transport.ChildEnv,
      Hotpush.Transport.Ssh,
      Hotpush.Transport.Dist.Host
    ]

    assert readers -- allowed == []
  end

  # A process that lasts is a child of Hotpush.Application, or of its Hotpush.Lines. A process that a call
  # needs is linked to the caller, or started by Isolation, which ends it with the caller. The process of
  # an ssh has to close it in order when its owner has gone, so it monitors the owner itself.
  test "every process has an owner, and no state is kept outside of a process", %{calls: calls} do
    owners = [
      {Hotpush.Push.Isolation, :erlang, :spawn},
      {Hotpush.Push.Isolation, :erlang, :spawn_monitor},
      {Hotpush.Transport.Ssh.Channel, GenServer, :start},
      # On a device.
      {Hotpush.Transport.Dist.Listener, :erlang, :spawn_request}
    ]

    started =
      for {module, list} <- calls,
          # What travels runs on a device.
          inspect(module) =~ ~r/^[A-Z]/,
          {called, function, _} <- list,
          called == :persistent_term or
            (called in [:erlang, :proc_lib] and to_string(function) =~ ~r/^spawn/) or
            {called, function} in [{GenServer, :start}, {Agent, :start}, {Task, :start}],
          uniq: true,
          do: {module, called, function}

    assert started -- owners == []
  end

  test "no module is named Utils, Helpers or Manager", %{ours: ours} do
    for module <- ours, do: refute(inspect(module) =~ ~r/Utils|Helpers?|Manager/)
  end

  test "every public function has a doc and a spec", %{ours: ours} do
    for module <- ours,
        "Elixir." <> _ <- [to_string(module)],
        {:docs_v1, _, _, _, doc, _, docs} <- [Code.fetch_docs(module)],
        doc != :hidden,
        {{:function, name, arity}, _, _, doc, _} <- docs,
        doc == :none and not callback?(module, name, arity) do
      flunk("#{inspect(module)}.#{name}/#{arity} has no @doc")
    end

    for module <- ours,
        "Elixir." <> _ <- [to_string(module)],
        {:docs_v1, _, _, _, _, _, docs} <- [Code.fetch_docs(module)],
        {:ok, specs} <- [Code.Typespec.fetch_specs(module)],
        specs = Enum.map(specs, &elem(&1, 0)),
        {{:function, name, arity}, _, _, %{}, _} <- docs,
        name != :child_spec do
      assert {name, arity} in specs, "#{inspect(module)}.#{name}/#{arity} has no @spec"
    end
  end

  defp callback?(module, name, arity) do
    behaviours = for {:behaviour, list} <- module.module_info(:attributes), b <- list, do: b

    {name, arity} in [child_spec: 1, __struct__: 0, __struct__: 1, exception: 1, message: 1] or
      Enum.any?(behaviours, &({name, arity} in &1.behaviour_info(:callbacks)))
  end
end
