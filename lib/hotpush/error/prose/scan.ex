defmodule Hotpush.Error.Prose.Scan do
  @moduledoc "The sentences for a file of the build, or a folder, that cannot be used."

  alias Hotpush.Text

  @doc "The sentence."
  @spec sentence(term(), term()) :: String.t()
  def sentence(build, {:more_problems, count}) when is_integer(count),
    do: "#{build}: #{Text.count(count, "more file")} cannot be used. Run mix compile --force."

  def sentence(path, {kind, ""}), do: "#{path}: #{problem(kind)}. Run mix compile --force."

  def sentence(path, {kind, detail}) when is_binary(detail),
    do: "#{path}: #{problem(kind)} (#{detail}). Run mix compile --force."

  # An error of the system: its POSIX name, and the system's message.
  def sentence(path, {kind, posix, detail}) when is_atom(posix) and is_binary(detail),
    do: "#{path}: #{problem(kind)} (#{detail}). #{advice(posix)}"

  defp problem(:truncated), do: "the file ends too early"
  defp problem(:empty), do: "the file is empty"
  defp problem(:not_a_beam), do: "this is not a beam file"
  defp problem(:bad_gzip), do: "the compressed data is damaged"
  defp problem(:too_large), do: "the file is larger than a beam file can sensibly be"
  defp problem(:bad_chunk), do: "a chunk is damaged"
  defp problem(:unreadable), do: "Hotpush cannot read it"
  defp problem(:dangling_link), do: "the link is broken"
  defp problem(:vanished), do: "the file disappeared while it was being read"
  defp problem(:changed_while_reading), do: "the file was rewritten while it was being read"
  defp problem(:wrong_name), do: "the file and the module in it have different names"
  defp problem(:duplicate_module), do: "another application has a module of the same name"
  defp problem(:missing_folder), do: "the folder does not exist"

  # Compiling again helps only if the file or folder itself is wrong.
  defp advice(posix) when posix in [:eacces, :eperm],
    do: "Give your user permission to read it, and to enter the folders above it."

  defp advice(posix) when posix in [:emfile, :enfile],
    do: "Close some programs, or raise the limit of open files (ulimit -n)."

  defp advice(posix) when posix in [:eio, :estale, :etimedout, :enodev, :enxio],
    do: "Check the disk or the network drive that it is on."

  defp advice(_posix), do: "Run mix compile --force."
end
