defmodule Hotpush.Scanner do
  @moduledoc """
  Reads the beam files of a project: scan, diff and pack.

  Two modules return the same: `Hotpush.Scanner.Native` (in Rust, in parallel) and
  `Hotpush.Scanner.Portable` (OTP only). The second one is used if there is no native library, and is the
  oracle for the first one's tests.

  Module names are strings (`"Elixir.Example"`) until they are known to be needed, so that a folder full
  of files cannot fill the atom table.
  """

  @typedoc "The first bytes of a digest, or `\"\"` if there is none."
  @type prefix :: binary()

  @typedoc """
  One beam file on the disk.

    * `:dir` - index of its folder in the list that was scanned
    * `:path` - absolute or relative path, as it was reached
    * `:module` - the name in the file (its first atom)
    * `:md5` - 16 bytes, the identity that `erlang:get_module_info(M, md5)` answers
    * `:bare_md5` - the same without the `Meta` chunk: what a release made by
      Elixir <= 1.15.3 runs. Equal to `:md5` if there is no such chunk
    * `:line_md5` - MD5 of the data of the `Line` chunk, `""` if there is none
    * `:digest` - 32 bytes, BLAKE3 of the stripped content: see
      `Hotpush.Scanner.Layout.digest_chunks/0`. The portable scanner has `t:later/0` instead
    * `:size` - of the file, in bytes
  """
  @type entry :: %{
          dir: non_neg_integer(),
          path: String.t(),
          module: String.t(),
          md5: <<_::128>>,
          bare_md5: <<_::128>>,
          line_md5: binary(),
          digest: <<_::256>> | later(),
          size: non_neg_integer()
        }

  @typedoc "A digest that is computed only when it is needed: the MD5 of the other chunks, and options."
  @type later :: {:later, <<_::128>>, keep :: [String.t()], manifest :: Path.t() | nil}

  @typedoc """
  A file that could not be used, and why. The other files are still read.

  Kinds: `:truncated`, `:empty`, `:not_a_beam`, `:bad_gzip`, `:too_large`, `:bad_chunk`,
  `:unreadable`, `:dangling_link`, `:vanished`, `:changed_while_reading`, `:wrong_name`,
  `:duplicate_module`, `:missing_folder`.

  `:posix` is the system's error as in `File`, such as `:eacces`, and `:detail` its message. `:posix` is
  `nil` if it is not an error of the system, or has no common name.
  """
  @type problem :: %{path: String.t(), kind: atom(), posix: atom(), detail: String.t()}

  @typedoc "`:read` counts the files that were read, `:cached` those known from the manifest."
  @type scan :: %{
          entries: [entry()],
          problems: [problem()],
          read: non_neg_integer(),
          cached: non_neg_integer()
        }

  @typedoc """
  What a device says about one module; digests may be cut to a prefix of at least 7 bytes.
  `stamp` is the digest that came with an earlier push, `line` the MD5 of the `Line` chunk of the
  device's own file.
  """
  @type answer :: {module :: String.t(), md5 :: prefix(), stamp :: prefix(), line :: prefix()}

  @type reason :: :new | :code | :lines

  @typedoc "`:changed` is sorted by module name, and so is `:gone` (on the device only)."
  @type diff :: %{
          changed: [{String.t(), reason()}],
          gone: [String.t()],
          unchanged: non_neg_integer()
        }

  @typedoc "A module that is ready to travel: stripped and stamped."
  @type packed :: %{
          module: String.t(),
          beam: binary(),
          md5: <<_::128>>,
          digest: <<_::256>>
        }

  @doc "Differs if the content that would travel differs. Compare it only with that of the same scanner."
  @spec identity(entry()) :: binary()
  def identity(%{digest: {:later, rest_md5, _, _}} = entry), do: entry.md5 <> rest_md5
  def identity(%{digest: digest}), do: digest

  @doc "The scanner to use: the native one if its library could be loaded."
  @spec default() :: module()
  def default do
    if Hotpush.Native.loaded?(), do: Hotpush.Scanner.Native, else: Hotpush.Scanner.Portable
  end
end
