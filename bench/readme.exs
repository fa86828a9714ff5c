# Writes the figures of bench/results into the README, between its two markers.
#
#     MIX_ENV=test mix run bench/readme.exs

Code.require_file("support/results.exs", __DIR__)

defmodule Hotpush.Bench.Readme do
  alias Hotpush.Bench.Results

  @root Path.expand("..", __DIR__)
  @readme Path.join(@root, "README.md")

  def write do
    bytes = Results.read(Path.join(@root, "bench/results/bytes.json"))
    whole = Map.merge(Results.read(Path.join(@root, "bench/results/hotswap.json")), bytes)
    scan = Results.read(Path.join(@root, "bench/results/scan.json"))
    ssh = Results.read(Path.join(@root, "bench/results/ssh.json"))
    readme = File.read!(@readme)
    section = ~r/(<!-- figures[^>]*-->\n).*(<!-- \/figures -->)/s
    File.write!(@readme, Regex.replace(section, readme, "\\1#{figures(whole, scan, ssh)}\\2"))
  end

  defp figures(m, s, h) do
    """
    ![Time and bytes, next to the older way](bench/results/speed.svg)

    The whole command, as its user waits for it: a project of #{whole(m["modules"])} modules, a link with \
    #{whole(m["link_round_trip_ms"])} ms round trip,
    #{whole(s["cpus"])} cores. The older way sends every module by `IEx.Helpers.nl`, twice.

    | | time, compared with Mix's own start | compared with the older way | on the wire |
    | --- | --- | --- | --- |
    | nothing changed | #{one(m["none_to_mix_run"])} x | #{whole(m["older_to_none"])} times faster | #{kb(m["none_bytes"])} |
    | 1 module changed | #{one(m["one_ms"] / m["mix_run_ms"])} x | #{whole(m["older_to_one"])} times faster | #{kb(m["one_bytes"])} |
    | all changed | #{one(m["all_ms"] / m["mix_run_ms"])} x | #{whole(m["older_to_all"])} times faster | \
    #{kb(m["all_bytes"])}, #{whole(100 * m["all_bytes"] / m["older_bytes"])} % |

    To a stock device over ssh, through the same link, a push of 1 changed module takes \
    #{one(h["one_to_mix_run_and_bare_ssh"])} times as long as Mix's own start
    and a bare `ssh host true` together.

    Hotpush reads the identities of #{whole(s["files"])} beams #{one(s["native_vs_sequential"])} times faster than \
    `beam_lib:md5` does one after another. With its
    manifest, it takes #{one(s["warm_vs_walk_rust"])} times as long as a bare walk over the files. `bench/all` \
    measures again; [bench/README.md](bench/README.md)
    lists the targets that were missed.
    """
  end

  defp whole(number), do: round(number)
  defp one(number), do: Float.round(number / 1, 1)
  defp kb(bytes) when bytes < 100_000, do: "#{one(bytes / 1000)} kB"
  defp kb(bytes) when bytes < 1_000_000, do: "#{whole(bytes / 1000)} kB"
  defp kb(bytes), do: "#{one(bytes / 1_000_000)} MB"
end

Hotpush.Bench.Readme.write()
