defmodule Hotpush.Protocol.LastPush do
  @moduledoc """
  The note that a push leaves on a device: who pushed what, and from where. Pure.

  A device keeps it in the environment of an application, so it ends with the VM, as the pushed code
  does. The device's monotonic time is kept with it, so its age is right whatever the clocks say.
  """

  alias Hotpush.{Config, Text}
  alias Hotpush.Project.Inventory
  alias Hotpush.Protocol.{Answer, SafeTerm}

  @version 1
  @most 60

  defstruct by: "", project: "", build: "", folder: "", seconds: 0

  @typedoc """
    * `:by` - `user@host`
    * `:project` - the project's own applications, with their versions
    * `:build` - a digest of the project's code
    * `:folder` - a digest of the name of the project's folder
    * `:seconds` - how long ago the push was
  """
  @type t :: %__MODULE__{
          by: String.t(),
          project: String.t(),
          build: String.t(),
          folder: String.t(),
          seconds: non_neg_integer()
        }

  @doc "The note of a push of this project."
  @spec new(Config.t(), Inventory.t()) :: t()
  def new(config, inventory) do
    own = for app <- inventory.apps, app.kind == :own, do: String.trim("#{app.name} #{app.vsn}")

    %__MODULE__{
      by: short(config.who),
      project: own |> Enum.join(", ") |> short(),
      build: Inventory.build_id(inventory),
      folder: inventory.folder
    }
  end

  # The environment may say anything, so this makes it printable and bounds its size.
  defp short(text),
    do: text |> Text.printable() |> String.to_charlist() |> Enum.take(@most) |> to_string()

  @doc "Whether two notes come from the same person on the same computer, and from the same folder."
  @spec same?(t(), t()) :: boolean()
  def same?(one, other), do: one.by == other.by and one.folder == other.folder

  @doc "Encodes a note for the device."
  @spec encode(t()) :: binary()
  def encode(note),
    do: :erlang.term_to_binary({@version, note.by, note.project, note.build, note.folder})

  @doc """
  Reads a device's note and its age (s). Returns `nil` if it is not such a note: a newer Hotpush, or
  anybody else, may have written it.

      iex> note = %Hotpush.Protocol.LastPush{by: "ada@host", project: "desk 0.1.0"}
      iex> Hotpush.Protocol.LastPush.decode({Hotpush.Protocol.LastPush.encode(note), 720})
      %{note | seconds: 720}
      iex> Hotpush.Protocol.LastPush.decode({"anything", 720})
      nil
  """
  @spec decode({binary(), integer()} | :none) :: t() | nil
  def decode({binary, seconds}) do
    with {:ok, {@version, by, project, build, folder} = note} <- SafeTerm.decode(binary),
         true <- Answer.note?(note) do
      %__MODULE__{
        by: by,
        project: project,
        build: build,
        folder: folder,
        seconds: max(seconds, 0)
      }
    else
      _ -> nil
    end
  end

  def decode(:none), do: nil

  @doc """
  Who pushed and when, for people.

      iex> Hotpush.Protocol.LastPush.text(%Hotpush.Protocol.LastPush{by: "ada@host", seconds: 720})
      "ada@host 12 minutes ago"
      iex> Hotpush.Protocol.LastPush.text(%Hotpush.Protocol.LastPush{by: "$(touch x)", seconds: 1})
      ~S|"$(touch x)" 1 second ago|
  """
  @spec text(t()) :: String.t()
  def text(note), do: "#{Text.name(note.by)} #{Text.ago(note.seconds)}"

  @doc "The note as a field of JSON documents."
  @spec document(t() | nil) :: keyword() | nil
  def document(nil), do: nil

  def document(note),
    do: [by: note.by, project: note.project, build: note.build, seconds_ago: note.seconds]
end
