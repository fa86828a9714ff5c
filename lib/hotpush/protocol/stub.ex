defmodule Hotpush.Protocol.Stub do
  @moduledoc """
  An empty module that says it stands for a removed one. Pure.

  Which modules are removed, a device has a say in; so its name is written into a module that was
  compiled under another, and becomes no atom here.
  """

  @placeholder :hotpush_stub
  @name "hotpush_stub"
  @name_size byte_size(@name)

  @doc "The beam of an empty module `name`, stamped as removed from `app`."
  @spec beam(String.t(), atom()) :: binary()
  def beam(name, app) do
    {:ok, @placeholder, beam} =
      :compile.forms([{:attribute, 1, :module, @placeholder}], [:deterministic])

    {:ok, @placeholder, chunks} = :beam_lib.all_chunks(beam)
    {:ok, renamed} = :beam_lib.build_module(Enum.flat_map(chunks, &chunk(&1, name, app)))
    renamed
  end

  # The first atom of the table is the module's name: behind a count, with its length. Since OTP 28
  # the count is negative and the lengths are in the compact form of the assembler.
  defp chunk({~c"AtU8", <<count::32-signed, @name_size, @name, rest::binary>>}, name, _app)
       when count > 0,
       do: [{~c"AtU8", <<count::32, byte_size(name), name::binary, rest::binary>>}]

  defp chunk(
         {~c"AtU8", <<count::32-signed, @name_size::4, 0::4, @name, rest::binary>>},
         name,
         _app
       )
       when count < 0,
       do: [
         {~c"AtU8",
          <<count::32-signed, compact(byte_size(name))::binary, name::binary, rest::binary>>}
       ]

  defp chunk({~c"CInf", _}, _name, app),
    do: [{~c"CInf", :erlang.term_to_binary([{:hotpush, {app, :removed}}])}]

  defp chunk({id, _} = chunk, _name, _app) when id in [~c"Code", ~c"StrT", ~c"ImpT", ~c"ExpT"],
    do: [chunk]

  # Nothing else is needed, and what tells of the placeholder would lie.
  defp chunk(_chunk, _name, _app), do: []

  defp compact(size) when size < 16, do: <<size::4, 0::4>>
  defp compact(size) when size < 2048, do: <<Bitwise.bsr(size, 8)::3, 1::2, 0::3, size::8>>
end
