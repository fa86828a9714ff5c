defmodule Blinky.MixProject do
  use Mix.Project

  def project do
    [
      app: :blinky,
      version: "0.1.0",
      elixir: "~> 1.14",
      deps: deps(),
      releases: [blinky: [include_erts: false]]
    ]
  end

  def application do
    [mod: {Blinky.Application, []}, extra_applications: [:logger]]
  end

  # In a project of your own: {:hotpush, "~> 0.1", only: :dev, runtime: false}
  defp deps do
    [{:hotpush, path: "../..", only: :dev, runtime: false}]
  end
end
