defmodule Hotpush.Test.Device.Throttle do
  @moduledoc """
  Gives an OS process a fraction of a core: a small process, which needs no
  privileges and no cgroup, stops and continues it ten times a second.
  """

  alias Hotpush.Test.Leash

  @script """
  my ($pid, $share) = @ARGV;
  while (kill "STOP", $pid) {
    select undef, undef, undef, 0.1 * (1 - $share);
    kill "CONT", $pid;
    select undef, undef, undef, 0.1 * $share;
  }
  """

  @doc "Throttles `os_pid` to `share` (0.1: a tenth of a core, for a node with one scheduler)."
  @spec start(pos_integer, float, Path.t()) :: port
  def start(os_pid, share, log) do
    Leash.open("perl", ["-e", @script, to_string(os_pid), to_string(share)], log, [])
  end
end
