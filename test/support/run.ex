defmodule Hotpush.Test.Run do
  @moduledoc """
  One run of the test bed: a temporary folder and a random suffix for names.

  When this VM ends, in whatever way, a small OS process removes the folder.
  `HOTPUSH_KEEP=1` keeps it.
  """

  @doc "The run's temporary folder. The first call creates it."
  @spec root() :: Path.t()
  def root do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      :global.trans({__MODULE__, self()}, &begin/0, [node()])
    end
  end

  @doc "A new, empty folder below the run's."
  @spec dir(String.t()) :: Path.t()
  def dir(label) do
    path = Path.join(root(), "#{label}_#{unique()}")
    File.mkdir_p!(path)
    path
  end

  @doc "A name that no other run, and nothing else in this run, uses."
  @spec name(String.t()) :: String.t()
  def name(label),
    do: "#{label}_#{Path.basename(root()) |> String.replace("hotpush_", "")}_#{unique()}"

  defp unique, do: System.unique_integer([:positive])

  defp begin do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      suffix = Base.encode16(:rand.bytes(3), case: :lower)
      path = Path.join(System.tmp_dir!(), "hotpush_#{suffix}")
      File.mkdir!(path)
      unless System.get_env("HOTPUSH_KEEP"), do: janitor(path)
      :persistent_term.put(__MODULE__, path)
      path
    end
  end

  # The owner of the port has to live as long as the VM.
  defp janitor(path) do
    caller = self()

    spawn(fn ->
      script = ~s(read -r _; exec rm -rf "$1")
      sh = System.find_executable("sh")

      port =
        Port.open({:spawn_executable, sh},
          args: ["-c", "trap '' INT HUP TERM; " <> script, "janitor", path]
        )

      send(caller, {:janitor, port})
      Process.sleep(:infinity)
    end)

    receive do
      {:janitor, _port} -> :ok
    end
  end

  @doc """
  Arguments for the many VMs of a test: a scheduler without work sleeps at once. The default, to wait
  busily, takes CPU time from the other VMs.
  """
  @spec idle() :: [String.t()]
  def idle, do: ~w(+sbwt none +sbwtdcpu none +sbwtdio none)

  @doc "Unsets the environment variables that would affect child processes."
  @spec clean_env() :: [{String.t(), nil}]
  def clean_env do
    for {name, _value} <- System.get_env(), leaks?(name), do: {name, nil}
  end

  @kept ~w(HOTPUSH_NATIVE HOTPUSH_CARGO_TARGET_DIR)
  @prefixes ~w(MIX_ RELEASE_ HOTPUSH_ ELIXIR_ ERL_ BINDIR ROOTDIR PROGNAME EMU)
  defp leaks?(name), do: name not in @kept and String.starts_with?(name, @prefixes)
end
