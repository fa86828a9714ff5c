defmodule Hotpush.Application do
  @moduledoc """
  The supervision tree of what lasts longer than a call, and what all calls in a VM share: this VM's
  node, the names lent to the resolver, what is known of adb's tunnels, the variables that hold a
  cookie, the turns, and the processes that hold a line to a device.

  The tasks and the functions of `Hotpush` start it. It is an application of its own, that no .app
  file names: with or without `runtime: false`, it does not run where nobody pushes from.

  If a process ends, the supervisor starts another one, which goes on from its
  `Hotpush.Application.Backup`. When the application stops, each of them undoes what it has done.
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

  @doc "Starts it, unless it runs."
  @spec ensure_started() :: :ok
  def ensure_started do
    # It may be loaded already.
    :application.load({:application, @name, @description})
    :ok = Application.ensure_started(@name)
  end

  @doc "Stops it, and so undoes all that calls have left in this VM: its node, for one."
  @spec stop() :: :ok | {:error, term()}
  def stop, do: Application.stop(@name)

  @impl Application
  def start(_type, _arguments), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  # One that is killed takes no other along, however many are.
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
