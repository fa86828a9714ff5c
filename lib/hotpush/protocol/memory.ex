defmodule Hotpush.Protocol.Memory do
  @moduledoc """
  What the host remembers of the files on a device's disk, so that a small board hashes them once.

  The key is the device's own fingerprint over path, size and time of those files: what is
  remembered is used only if the device answers the same one. Losing it costs time, not truth: a
  file that does not hold what was written here is forgotten, whatever its checksum says.
  """

  alias Hotpush.Protocol.{Answer, SafeTerm}

  @version 1
  # What is read of a file; it is compressed.
  @most 16 * 1024 * 1024

  @doc "`%{{app, fingerprint} => files}` for a device, empty where nothing is remembered."
  @spec recall(Path.t(), String.t()) :: %{{String.t(), binary()} => list()}
  def recall(state_dir, name) do
    with {:ok, <<sum::binary-16, body::binary>>} <- read(path(state_dir, name)),
         true <- :erlang.md5(body) == sum,
         {:ok, {@version, files}} when is_map(files) <- SafeTerm.decode(body),
         true <- Enum.all?(files, &remembered?/1) do
      files
    else
      _ -> %{}
    end
  end

  @doc "What a device's answer says of its files, as `recall/2` gives it."
  @spec of(Hotpush.Protocol.Device.t()) :: %{{String.t(), binary()} => list()}
  def of(device),
    do: for({app, {fingerprint, list}} <- device.files, into: %{}, do: {{app, fingerprint}, list})

  defp read(path), do: File.open(path, [:read, :binary], &IO.binread(&1, @most))

  defp remembered?({{app, print}, list}), do: Answer.files?({app, print, list})
  defp remembered?(_), do: false

  @doc "Remembers what a device answered. A failure to write is no failure of the push."
  @spec remember(Path.t(), String.t(), map(), Hotpush.Protocol.Device.t()) :: :ok
  def remember(state_dir, name, before, device) do
    now = of(device)

    if now != %{} and now != before do
      body = :erlang.term_to_binary({@version, now}, [:compressed])
      path = path(state_dir, name)
      beside = path <> ".#{System.unique_integer([:positive])}"
      File.mkdir_p(Path.dirname(path))

      with :ok <- File.write(beside, [:erlang.md5(body), body]),
           :ok <- File.rename(beside, path) do
        :ok
      else
        _ -> File.rm(beside)
      end
    end

    :ok
  end

  defp path(state_dir, name) do
    Path.join([state_dir, "devices", Base.url_encode64(name, padding: false)])
  end
end
