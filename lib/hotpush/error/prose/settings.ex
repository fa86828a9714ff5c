defmodule Hotpush.Error.Prose.Settings do
  @moduledoc "What is wrong with `hotpush.toml`, or with what was chosen of it."

  @doc "The sentence. The subject is a place, as `hotpush.toml:3:7`, or a name."
  @spec sentence(term(), term()) :: String.t()
  def sentence(place, {:settings_mistake, message, meant}),
    do: "#{place}: #{message}." <> did_you_mean(List.wrap(meant))

  def sentence(place, {:same_device, nickname, other, address}) do
    "#{place}: #{nickname} is #{other} once more: both are at #{address}. " <>
      "Keep one of them; a group can name it as often as you like."
  end

  def sentence(path, {:settings_unreadable, :eisdir}),
    do: "#{path} is a directory, and should be a file: mix hotpush.init writes one."

  def sentence(path, {:settings_unreadable, reason}),
    do: "#{path} cannot be read: #{:file.format_error(reason)}."

  def sentence(path, :settings_unread) do
    "no device is named: #{path} was not read, since that takes hotpush's native library, which is " <>
      "not loaded. Name a device on the command line, as in mix upload.hotswap nerves.local, or " <>
      "make the library available: " <> library()
  end

  def sentence(path, :settings_left_out) do
    "note: #{path} was not read, since that takes hotpush's native library, which is not loaded: " <>
      "its devices, groups and cookies are not known. To have them, " <> library()
  end

  def sentence(name, {:name_unread, path}) do
    "#{name} is looked for in #{path}, which takes hotpush's native library to read, and that is " <>
      "not loaded. Give the device's host or node in its place, or " <> library()
  end

  def sentence(path, :settings_useless) do
    "#{path} was not written: it takes hotpush's native library to read, and that is not loaded. " <>
      "Without it, name devices on the command line, as in mix upload.hotswap nerves.local, or in " <>
      "config/config.exs. To use #{Path.basename(path)}, " <> library()
  end

  def sentence(place, {:bad_cookie, key, expected}),
    do: "#{place}: what #{key} gives cannot be a cookie: it should be #{expected}."

  def sentence(place, {:cookie_not_set, variable}) do
    "#{place}: the environment variable #{variable} is not set, which is to hold the cookie: " <>
      "export it, or set HOTPUSH_COOKIE, which counts for all devices."
  end

  def sentence(place, {:cookie_unreadable, path, reason}) do
    "#{place}: the cookie's file #{path} cannot be read: #{:file.format_error(reason)}. " <>
      "It is looked for relative to hotpush.toml."
  end

  def sentence(place, {:cookie_file_open, path, mode}) do
    "#{place}: other users of this computer may use the cookie's file #{path} (its mode is " <>
      "#{Integer.to_string(mode, 8)}): run chmod 600 #{quoted(path)}"
  end

  def sentence(place, {:settings_open, path, mode}) do
    "#{place}: a cookie stands here, and other users of this computer may use the file (its mode " <>
      "is #{Integer.to_string(mode, 8)}): run chmod 600 #{quoted(path)}"
  end

  def sentence(place, {:cookie_file_empty, path}),
    do: "#{place}: the cookie's file #{path} is empty: write the devices' cookie into it."

  def sentence(name, {:no_such_device, path, near, known}) do
    "#{path} has no [device.#{name}]." <>
      did_you_mean(near) <> known(near, known) <> " A node's name has the form name@host."
  end

  def sentence(name, {:no_such_name, near, known}) do
    "no device matches #{name}: it is not a nickname, node or host in your configuration." <>
      did_you_mean(near) <> known(near, known)
  end

  def sentence(name, {:no_such_group, path, near, known}),
    do: "#{path} has no [group.#{name}]." <> did_you_mean(near) <> known(near, known)

  def sentence(name, :no_settings) do
    "--group #{name} is looked for in hotpush.toml, which is not there: " <>
      "mix hotpush.init writes one."
  end

  def sentence(path, :settings_exist) do
    "#{path} is there already, and was left as it is: --force replaces it."
  end

  def sentence(path, {:settings_above, dir}) do
    "#{path} counts for the whole umbrella, and names its devices; one in #{dir} would count here in " <>
      "its place. Nothing was written; --force writes it all the same."
  end

  def sentence(path, {:not_written, reason}),
    do: "#{path} could not be written: #{:file.format_error(reason)}."

  defp library do
    "unset HOTPUSH_NATIVE if it is off; else install Rust 1.91 or later (rustup.rs) and run " <>
      "mix deps.compile hotpush --force."
  end

  defp did_you_mean([]), do: ""
  defp did_you_mean(near), do: " Did you mean #{Enum.join(near, ", ")}?"

  # Where nothing resembles it, what there is.
  defp known([], [_ | _] = known) when length(known) <= 20,
    do: " There are: #{Enum.join(known, ", ")}."

  defp known(_near, _known), do: ""

  # As a shell takes it.
  defp quoted(path) do
    if path =~ ~r/\A[\w.\/+:@%-]+\z/,
      do: path,
      else: "'" <> String.replace(path, "'", "'\\''") <> "'"
  end
end
