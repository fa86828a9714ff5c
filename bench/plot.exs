# Draws results/speed.svg from the results of the benches.
#
#     MIX_ENV=test mix run bench/plot.exs

Code.require_file("support/results.exs", __DIR__)
Code.require_file("support/plot.exs", __DIR__)

defmodule Hotpush.Bench.Speed do
  alias Hotpush.Bench.{Plot, Results}

  @results Path.expand("results", __DIR__)

  def draw do
    bytes = Results.read(Path.join(@results, "bytes.json"))
    m = Map.merge(Results.read(Path.join(@results, "hotswap.json")), bytes)
    groups = times(m) ++ bytes(m) ++ scan(Path.join(@results, "scan.json"))
    File.write!(Path.join(@results, "speed.svg"), Plot.svg(groups))
  end

  defp times(m) do
    [
      {"Time of the whole command, #{modules(m)} modules, link with #{round(m["link_round_trip_ms"])} ms round trip",
       [
         {"every module by nl/2, twice", m["older_ms"], seconds(m["older_ms"]), :theirs},
         {"hotpush, all changed", m["all_ms"], older(m, "all"), :ours},
         {"hotpush, 1 changed", m["one_ms"], older(m, "one"), :ours},
         {"hotpush, nothing changed", m["none_ms"], older(m, "none"), :ours},
         {"mix run --no-start -e :ok", m["mix_run_ms"], seconds(m["mix_run_ms"]), :theirs}
       ]}
    ]
  end

  defp bytes(m) do
    [
      {"Bytes on the wire, both ways",
       [
         {"every module by nl/2, twice", m["older_bytes"], size(m["older_bytes"]), :theirs},
         {"hotpush, all changed", m["all_bytes"], share(m, "older_bytes", "all_bytes"), :ours},
         {"hotpush, 1 changed", m["one_bytes"], share(m, "older_bytes", "one_bytes"), :ours},
         {"hotpush, nothing changed", m["none_bytes"], share(m, "older_bytes", "none_bytes"),
          :ours}
       ]}
    ]
  end

  # The scanner's benchmark may not have run.
  defp scan(path) do
    with true <- File.exists?(path), %{"native_ms" => native} = m <- Results.read(path) do
      best =
        m |> Enum.filter(fn {name, _} -> name =~ "async_stream_" end) |> Enum.map(&elem(&1, 1))

      best = Enum.min(best)

      [
        {"Identities of #{round(m["files"])} beams",
         [
           {"beam_lib:md5, one by one", m["sequential_ms"], ms(m["sequential_ms"]), :theirs},
           {"beam_lib:md5, best Task.async_stream", best, ms(best), :theirs},
           {"hotpush, nothing cached", native, faster(m, "sequential_ms", "native_ms", &ms/1),
            :ours},
           {"hotpush, with its manifest", m["native_warm_ms"],
            faster(m, "sequential_ms", "native_warm_ms", &ms/1), :ours}
         ]}
      ]
    else
      _ -> []
    end
  end

  defp modules(m), do: round(m["modules"])
  defp faster(m, of, to, show), do: "#{show.(m[to])}, #{factor(m[of] / m[to])} faster"
  # Measured in pairs, like the figures.
  defp older(m, name),
    do: "#{seconds(m[name <> "_ms"])}, #{factor(m["older_to_" <> name])} faster"

  defp factor(ratio) when ratio >= 20, do: "#{round(ratio)} times"
  defp factor(ratio), do: "#{fixed(ratio)} times"
  defp share(m, of, to), do: "#{size(m[to])}, #{fixed(100 * m[to] / m[of])} % of it"
  defp seconds(ms), do: "#{:erlang.float_to_binary(ms / 1000, decimals: 2)} s"
  defp ms(ms) when ms < 100, do: "#{fixed(ms)} ms"
  defp ms(ms), do: "#{round(ms)} ms"
  defp size(bytes) when bytes >= 1_000_000, do: "#{fixed(bytes / 1_000_000)} MB"
  defp size(bytes) when bytes >= 100_000, do: "#{round(bytes / 1000)} kB"
  defp size(bytes), do: "#{fixed(bytes / 1000)} kB"
  defp fixed(number), do: :erlang.float_to_binary(number * 1.0, decimals: 1)
end

Hotpush.Bench.Speed.draw()
