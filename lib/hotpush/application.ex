defmodule Hotpush.Application do
  @moduledoc """
  The supervision tree of everything that outlives a call and that all calls in a VM share: this VM's
  node, the names lent to the resolver, the state of adb's tunnels, the variables with cookies, the
  turns, and the processes that keep a connection to a device.

  The tasks and the functions of `Hotpush` start it. It is an application of its own, which no .app file
  names: with or without `runtime: false`, it runs only in a VM that pushes.

  If a process ends, the supervisor starts another one, which continues from its
  `Hotpush.Application.Backup`. When the application stops, each process undoes what it has done.
  """

  use Application
  use Supervisor

  alias Hotpush.Application.Backup

  @name :hotpush_services

  @description [
    description: ~c"What Hotpush's calls in this VM share",
    vsn: ~c"1",
    modules: [],
    registered: [__MODULE__],
    applications: [:kernel, :stdlib, :elixir],
    mod: {__MODULE__, []}
  ]

  @doc "Starts it, unless it is running."
  @spec ensure_started() :: :ok
  def ensure_started do
    # It may already be loaded.
    :application.load({:application, @name, @description})
    :ok = Application.ensure_started(@name)
  end

  @doc "Stops it, which undoes everything that calls have left in this VM, such as its node."
  @spec stop() :: :ok | {:error, term()}
  def stop, do: Application.stop(@name)

  @impl Application
  def start(_type, _arguments), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  # A killed process does not end the others, however often that happens.
  @impl Supervisor
  def init(_) do
    Backup.new()

    children = [
      {DynamicSupervisor, name: Hotpush.Lines},
      Hotpush.Turn,
      Hotpush.Discovery.Ledger,
      Hotpush.Transport.Adb.Claims,
      Hotpush.Transport.ChildEnv.Withheld,
      Hotpush.Transport.Dist.Owner
    ]

    Supervisor.init(children, strategy: :one_for_one, max_restarts: 20)
  end
end
