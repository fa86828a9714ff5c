defmodule Hotpush.Protocol.Memory do
  @moduledoc """
  What the host remembers of a device: the files on its disk, so that a small board hashes them only
  once, and the parts of its description, so that the device need not send what the host knows.

  Files are remembered under the device's fingerprint of their paths, sizes and times, and a part under
  its print. Both are used only if the device answers the same key. Losing them costs time, but no
  correctness. A file here whose content does not have the right form is ignored, even if its checksum
  is right.
  """

  alias Hotpush.Protocol.{Answer, Device, Parts, SafeTerm}
  alias Hotpush.StateFile

  @version 2
  # How much of a file is read, which is compressed.
  @most 16 * 1024 * 1024

  defstruct files: %{}, parts: %{}

  @type t :: %__MODULE__{
          files: %{{app :: String.t(), fingerprint :: binary()} => list()},
          parts: Parts.t()
        }

  @doc "What is remembered of a device."
  @spec recall(Path.t(), String.t()) :: t()
  def recall(state_dir, name) do
    with {:ok, body} <- StateFile.read(path(state_dir, name), @most),
         {:ok, {@version, files, parts}} when is_map(files) and is_map(parts) <-
           SafeTerm.decode(body),
         true <- Enum.all?(files, &remembered?/1) and Enum.all?(parts, &Answer.part?/1) do
      %__MODULE__{files: files, parts: parts}
    else
      _ -> %__MODULE__{}
    end
  end

  @doc "What a device has just answered, in the form that `recall/2` returns."
  @spec of(Device.t()) :: t()
  def of(device) do
    files = for {app, {fingerprint, list}} <- device.files, do: {{app, fingerprint}, list}
    %__MODULE__{files: Map.new(files), parts: device.parts}
  end

  defp remembered?({{app, print}, list}), do: Answer.files?({app, print, list})
  defp remembered?(_), do: false

  @doc "Remembers what a device answered. If it cannot be written, the push does not fail."
  @spec remember(Path.t(), String.t(), t(), Device.t()) :: :ok
  def remember(state_dir, name, before, device) do
    now = of(device)

    if now != before do
      body = :erlang.term_to_binary({@version, now.files, now.parts}, [:compressed])
      StateFile.write(path(state_dir, name), body)
    end

    :ok
  end

  defp path(state_dir, name) do
    Path.join([state_dir, "devices", Base.url_encode64(name, padding: false)])
  end
end
