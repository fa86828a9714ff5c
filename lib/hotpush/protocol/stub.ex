defmodule Hotpush.Protocol.Stub do
  @moduledoc """
  The empty module that takes the place of a removed one, and says so. Pure.

  The names of removed modules come from the device, so they must not become atoms here. A module is
  compiled under another name, and the name is then written into it.
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

  # The first atom in the table is the module's name, with its length, after the count. Since OTP 28,
  # the count is negative, and lengths are compact-encoded.
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

  # No other chunk is needed, and those that describe the placeholder would be wrong.
  defp chunk(_chunk, _name, _app), do: []

  defp compact(size) when size < 16, do: <<size::4, 0::4>>
  defp compact(size) when size < 2048, do: <<Bitwise.bsr(size, 8)::3, 1::2, 0::3, size::8>>
end
