defmodule Hotpush.Project do
  @moduledoc """
  What this project is: its applications, the folders of their beams, the chunks to keep, and what a
  device has to be asked for.
  """

  alias Hotpush.{Config, Error}
  alias Hotpush.Project.{App, Apps, MixFile, OtherModules, Platform, Workspace}
  alias Hotpush.Scanner.Layout

  defstruct [
              apps: [],
              consolidated: nil,
              consolidate?: false,
              compiled?: true,
              keep: [],
              state_dir: nil,
              folder: "",
              target: nil
            ] ++
              [
                system: [],
                siblings: [],
                protocols: [],
                taken: [],
                platform: [],
                ways: [],
                known: nil
              ]

  @typedoc """
  Among others:

    * `:folder` - a digest of the name of its folder
    * `:compiled?` - whether it has been compiled just now; otherwise, its last compilation may have failed
    * `:system` - other modules than the applications' that consolidation here knew
    * `:siblings` - modules of the project's own applications that were left out (`app_name:`)
    * `:protocols` - Elixir's own consolidated protocols
    * `:platform` - the modules of Elixir and Erlang/OTP here
    * `:taken` - modules of the applications with the name of one of these
  """
  @type t :: %__MODULE__{
          apps: [App.t()],
          consolidated: Path.t() | nil,
          consolidate?: boolean(),
          compiled?: boolean(),
          keep: [String.t()],
          state_dir: Path.t(),
          folder: String.t(),
          target: atom(),
          system: [String.t()],
          ways: [String.t()],
          siblings: [String.t()],
          protocols: [module()],
          taken: [module()],
          platform: [String.t()],
          known: [String.t()] | nil
        }

  @doc """
  Reads the project as it was compiled last. `platform` has the modules of Elixir and Erlang/OTP here,
  which no compilation changes. Returns an error for an `--app` that the project does not have.
  """
  @spec load(Config.t(), Platform.t()) :: {:ok, t()} | {:error, Error.t()}
  def load(%Config{} = config, platform \\ Platform.modules()) do
    Workspace.consolidate()
    mix = MixFile.read()
    built = Apps.built(mix)
    own = Apps.own(mix, config, built)

    with :ok <- Apps.check(own, mix, config, built) do
      apps = Apps.of(mix, config, built)
      platform = OtherModules.platform(platform, apps)

      {:ok,
       %__MODULE__{
         apps: apps,
         protocols: OtherModules.protocols(mix, apps),
         taken: OtherModules.taken(apps, platform),
         consolidated: mix.consolidated,
         consolidate?: mix.consolidate?,
         compiled?: config.compile?,
         keep: keep(mix, config),
         state_dir: Workspace.state_dir(),
         folder: Workspace.folder(),
         target: mix.target,
         ways: Enum.map(config.discovery, &to_string/1),
         system: OtherModules.system(mix, platform),
         platform: Map.keys(platform),
         siblings: OtherModules.siblings(mix, built, apps),
         known: known(mix, own)
       }}
    end
  end

  # Every application that the project may use, pushed or not: its own, all of its dependencies, OTP's
  # and Elixir's. A child of an umbrella does not know its siblings.
  defp known(mix, own) do
    if match?([_], Workspace.settings_dirs()) do
      # Its own, also where the config says to push another one only.
      names = List.wrap(mix.app) ++ own ++ (mix.children || []) ++ mix.deps
      Enum.map(names, &to_string/1) ++ Platform.names()
    end
  end

  defp keep(mix, config) do
    docs = if config.docs?, do: ["Docs"], else: []
    Enum.sort(Enum.uniq(mix.keep ++ docs) -- Layout.digest_chunks())
  end
end
