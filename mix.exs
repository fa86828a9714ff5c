# The compiler that builds the native library has to exist before the
# compilers run, so it is required here and not kept in lib/.
Code.require_file("native/compile.exs", __DIR__)

defmodule Hotpush.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :hotpush,
      version: @version,
      elixir: "~> 1.14",
      compilers: [:hotpush_native | Mix.compilers()],
      elixirc_paths: elixirc_paths(Mix.env()),
      erlc_options: [:debug_info, :warnings_as_errors],
      test_pattern: "*_test.exs",
      deps: [],
      aliases: aliases(),
      description: "Makes the code that you just saved run on a device that is already up.",
      package: package()
    ]
  end

  def application do
    [extra_applications: [:compiler | test_applications(Mix.env())]]
  end

  defp test_applications(:test), do: [:crypto, :public_key, :ssh]
  defp test_applications(_env), do: []

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_env), do: ["lib"]

  defp aliases do
    [
      lint: ["format --check-formatted", "compile --warnings-as-errors"],
      ci: ["lint", "test"]
    ]
  end

  defp package do
    [
      licenses: ["MIT"],
      files: ~w(lib src native/compile.exs native/build.exs native/Cargo.toml native/Cargo.lock
           native/hotpush_core native/hotpush_nif priv/report.schema.json priv/devices.schema.json guides
           bench/README.md bench/results examples/blinky/lib examples/blinky/config examples/blinky/mix.exs
           mix.exs README.md CHANGELOG.md LICENSE)
    ]
  end
end
