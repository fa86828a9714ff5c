defmodule Hotpush.CLI.Keys do
  @moduledoc """
  The keys of a watch: a letter and Enter. The end of the input quits.
  """

  @doc "Reads the standard input in a linked process, and sends `{:key, :push | :quit}` to the caller."
  @spec start_link() :: {:ok, pid()}
  def start_link do
    watch = self()
    Task.start_link(fn -> read(watch) end)
  end

  defp read(watch) do
    case IO.gets("") do
      line when is_binary(line) -> key(String.trim(line), watch)
      _end -> send(watch, {:key, :quit})
    end
  end

  defp key("q", watch), do: send(watch, {:key, :quit})

  defp key(key, watch) do
    if key == "p", do: send(watch, {:key, :push})
    read(watch)
  end
end
