defmodule Hotpush.Test.Project.Source do
  @moduledoc "The text of generated `mix.exs` files. Pure, but for the path of hotpush."

  @doc "The folder of hotpush's own sources: where the tests run, not where they were compiled."
  @spec hotpush() :: Path.t()
  def hotpush, do: Path.dirname(Mix.Project.project_file())

  @doc """
  The `mix.exs` of an application.

  `spec` has `app:`, `deps:` (a list of terms as in `mix.exs`), `mod:`,
  `extra_applications:`, and `project:`, the text of more project settings.
  """
  @spec app(keyword) :: String.t()
  def app(spec) do
    """
    defmodule #{Macro.camelize(to_string(spec[:app]))}.MixProject do
      use Mix.Project

      def project do
        [
          app: #{inspect(spec[:app])},
          version: "0.1.0",
          elixir: "~> 1.14",
          start_permanent: false,
          deps: #{deps(spec[:deps])},
          releases: [#{spec[:app]}: [include_erts: false, quiet: true]]#{more(spec[:project])}
        ]
      end

      def application do
        [extra_applications: #{inspect(spec[:extra_applications] || [:logger])}#{mod(spec[:mod])}]
      end
    end
    """
  end

  @doc "The `mix.exs` of the root of an umbrella whose release, `app:`, has all children."
  @spec umbrella(keyword) :: String.t()
  def umbrella(spec) do
    children = Enum.map_join(spec[:children], ", ", &"#{&1}: :permanent")

    """
    defmodule #{Macro.camelize(to_string(spec[:app]))}.MixProject do
      use Mix.Project

      def project do
        [
          apps_path: "apps",
          version: "0.1.0",
          start_permanent: false,
          deps: #{deps(spec[:deps])},
          releases: [
            #{spec[:app]}: [include_erts: false, quiet: true, applications: [#{children}]]
          ]#{more(spec[:project])}
        ]
      end
    end
    """
  end

  @doc "Settings that let a child share its umbrella's build and configuration."
  @spec child_settings() :: String.t()
  def child_settings do
    ~s(build_path: "../../_build", config_path: "../../config/config.exs", ) <>
      ~s(deps_path: "../../deps", lockfile: "../../mix.lock")
  end

  @doc "hotpush as a user declares it."
  @spec hotpush_dep() :: tuple
  def hotpush_dep, do: {:hotpush, path: hotpush(), only: :dev, runtime: false}

  defp deps(deps), do: inspect(deps, limit: :infinity, printable_limit: :infinity)
  defp more(nil), do: ""
  defp more(text), do: ",\n" <> text
  defp mod(nil), do: ""
  defp mod(mod), do: ", mod: #{inspect(mod)}"
end
