defmodule Hotpush.Test.History.Truth do
  @moduledoc """
  Compares what a device runs with beams that were compiled from nothing. It asks over the test's own
  channel, and also checks what the code does, with functions that raise.

  The *reference* is a separate node that loads those beams from their files.
  """

  alias Hotpush.Scanner.Portable.Identity
  alias Hotpush.Test.{Device, Project}

  @typedoc "A module that is wrong, and how."
  @type fault :: {:code | :lines, module, String.t()}

  # Every function is called in a process of its own, with arguments that match no clause.
  @raise ~S"""
  for {module, function, arity} <- functions do
    {pid, monitor} =
      spawn_monitor(fn ->
        stack =
          try do
            apply(module, function, List.duplicate(make_ref(), arity))
            []
          catch
            _, _ -> __STACKTRACE__
          end

        exit({:stack, for({m, f, _, place} <- stack, m in modules, do: {m, f, place[:line]})})
      end)

    receive do
      {:DOWN, ^monitor, _, _, {:stack, stack}} -> stack
      {:DOWN, ^monitor, _, _, _} -> :none
    after
      500 ->
        Process.exit(pid, :kill)
        Process.demonitor(monitor, [:flush])
        :none
    end
  end
  """

  @doc "The reference node."
  @spec reference() :: Device.t()
  def reference, do: Device.start(distribution: false)

  @doc "The beams of a compiled project and its dependencies, consolidated protocols in their place."
  @spec beams(Project.t()) :: %{module => binary}
  def beams(project) do
    lib = Path.join(project.dir, "_build/dev/lib/*")

    # Later ones win.
    for folder <- ["ebin", "consolidated"],
        path <- Path.wildcard(Path.join([lib, folder, "*.beam"])),
        into: %{},
        do: {path |> Path.basename(".beam") |> String.to_atom(), File.read!(path)}
  end

  @doc """
  What is wrong on the device if the project has these `beams`, and no longer has the modules `gone`.

  Elixir's own protocols count as far as the device has them.
  """
  @spec faults(Device.t(), Device.t(), %{module => binary}, [module]) :: [fault]
  def faults(device, reference, beams, gone) do
    theirs = for {module, _} <- beams, elixirs?(module), not loaded?(device, module), do: module
    beams = Map.drop(beams, theirs)
    {own, _} = Enum.split_with(Map.keys(beams), &(not elixirs?(&1)))

    for(module <- gone, loaded?(device, module), do: {:code, module, "is still there"}) ++
      Enum.flat_map(beams, fn {module, beam} -> fault(device, module, beam) end) ++
      raised(device, reference, Map.take(beams, own))
  end

  defp elixirs?(module), do: :code.which(module) |> to_string() =~ ~r"/elixir/ebin/"
  defp loaded?(device, module), do: Device.call(device, :erlang, :module_loaded, [module])

  defp fault(device, module, beam) do
    {:ok, identity, chunks} = Identity.of_bytes(beam, [])

    cond do
      not loaded?(device, module) -> [{:code, module, "is not there"}]
      info(device, module, :md5) not in md5s(beam) -> [{:code, module, "runs other code"}]
      lines?(device, module, identity, chunks) -> []
      true -> [{:lines, module, "has other line numbers"}]
    end
  end

  # Releases of Elixir up to 1.15.3 drop a chunk of modules compiled by erlc that is part of the MD5.
  defp md5s(beam) do
    {:ok, stripped} = Mix.Release.strip_beam(beam)
    for bytes <- [beam, stripped], {:ok, {_, md5}} = :beam_lib.md5(bytes), do: md5
  end

  defp info(device, module, key),
    do: Device.call(device, :erlang, :get_module_info, [module, key])

  # The stamp describes what was last pushed; a module that was never pushed is the firmware's.
  defp lines?(device, module, identity, chunks) do
    case List.keyfind(info(device, module, :compile), :hotpush, 0) do
      {:hotpush, {_app, digest}} ->
        digest == Identity.digest(chunks, [])

      nil ->
        {^module, firmware, _} = Device.call(device, :code, :get_object_code, [module])
        {:ok, running, _chunks} = Identity.of_bytes(firmware, [])
        running.line_md5 == identity.line_md5
    end
  end

  defp raised(device, reference, beams) do
    modules = Map.keys(beams)

    for {module, beam} <- beams do
      Device.call(reference, :code, :purge, [module])
      {:module, _} = Device.call(reference, :code, :load_binary, [module, ~c"reference", beam])
    end

    functions =
      for module <- modules,
          {function, arity} <- Device.call(reference, module, :module_info, [:exports]),
          arity > 0 and function not in [:module_info, :__info__],
          do: {module, function, arity}

    bindings = [functions: functions, modules: modules]
    [here, there] = for node <- [reference, device], do: Device.eval(node, @raise, bindings)

    for {{module, function, arity}, here, there} <- Enum.zip([functions, here, there]),
        :none not in [here, there] and here != there and way(here) == way(there),
        do: {:lines, module, "#{function}/#{arity} raises in #{inspect(there)}: #{inspect(here)}"}
  end

  # The same code behaves differently if a process or a table exists on only one of the nodes.
  defp way(stack), do: for({module, function, _line} <- stack, do: {module, function})
end
