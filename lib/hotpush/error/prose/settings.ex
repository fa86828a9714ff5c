defmodule Hotpush.Error.Prose.Settings do
  @moduledoc "The sentences for what is wrong with `hotpush.toml`, or with a name looked up in it."

  @doc "The sentence. The subject is a place, as `hotpush.toml:3:7`, or a name."
  @spec sentence(term(), term()) :: String.t()
  def sentence(place, {:settings_mistake, message, meant}),
    do: "#{place}: #{message}." <> did_you_mean(List.wrap(meant))

  def sentence(place, {:same_device, nickname, other, address}) do
    "#{place}: #{nickname} and #{other} are the same device: both have the address #{address}. " <>
      "Keep one of them; any number of groups can name it."
  end

  def sentence(path, {:settings_unreadable, :eisdir}),
    do: "#{path} is a directory, but it should be a file: mix hotpush.init writes one."

  def sentence(path, {:settings_unreadable, reason}),
    do: "#{path} cannot be read: #{:file.format_error(reason)}."

  def sentence(path, :settings_unread) do
    "no device is named: #{path} was not read, because that needs Hotpush's native library, which " <>
      "is not loaded. Name a device on the command line, as in mix upload.hotswap nerves.local, or " <>
      "make the library available: " <> library()
  end

  def sentence(path, :settings_left_out) do
    "note: #{path} was not read, because that needs Hotpush's native library, which is not loaded. " <>
      "Its devices, groups and cookies are not available. To use them, " <> library()
  end

  def sentence(name, {:name_unread, path}) do
    "#{name} cannot be looked up: to read #{path}, Hotpush needs its native library, which is not " <>
      "loaded. Name the device by its host or node instead, or " <> library()
  end

  def sentence(path, :settings_useless) do
    "#{path} was not written: to read it, Hotpush needs its native library, which is not loaded. " <>
      "Without it, name devices on the command line, as in mix upload.hotswap nerves.local, or in " <>
      "config/config.exs. To use #{Path.basename(path)}, " <> library()
  end

  def sentence(place, {:bad_cookie, key, expected}),
    do: "#{place}: the value from #{key} is not a valid cookie: it should be #{expected}."

  def sentence(place, {:cookie_not_set, variable}) do
    "#{place}: the environment variable #{variable} is not set. It should contain the cookie: " <>
      "export it, or set HOTPUSH_COOKIE, which applies to all devices."
  end

  def sentence(place, {:cookie_unreadable, path, reason}) do
    "#{place}: the cookie file #{path} cannot be read: #{:file.format_error(reason)}. " <>
      "The path is relative to the folder of hotpush.toml."
  end

  def sentence(place, {:cookie_file_open, path, mode}) do
    "#{place}: other users of this computer have access to the cookie file #{path} (mode " <>
      "#{Integer.to_string(mode, 8)}): run chmod 600 #{quoted(path)}"
  end

  def sentence(place, {:settings_open, path, mode}) do
    "#{place}: there is a cookie here, and other users of this computer have access to the file " <>
      "(mode #{Integer.to_string(mode, 8)}): run chmod 600 #{quoted(path)}"
  end

  def sentence(place, {:cookie_file_empty, path}),
    do: "#{place}: the cookie file #{path} is empty: write the devices' cookie into it."

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
    "--group #{name} needs a hotpush.toml, and this project has none: " <>
      "mix hotpush.init writes one."
  end

  def sentence(path, :settings_exist) do
    "#{path} already exists, and was left unchanged. Use --force to replace it."
  end

  def sentence(path, {:settings_above, dir}) do
    "#{path} names the devices for the whole umbrella; a file in #{dir} would replace it there. " <>
      "Nothing was written. Use --force to write the file anyway."
  end

  def sentence(path, {:not_written, reason}),
    do: "#{path} could not be written: #{:file.format_error(reason)}."

  defp library do
    "unset HOTPUSH_NATIVE if it is off; otherwise install Rust 1.91 or later (rustup.rs) and run " <>
      "mix deps.compile hotpush --force."
  end

  defp did_you_mean([]), do: ""
  defp did_you_mean(near), do: " Did you mean #{Enum.join(near, ", ")}?"

  # If no name is similar, list all of them.
  defp known([], [_ | _] = known) when length(known) <= 20,
    do: " Known names: #{Enum.join(known, ", ")}."

  defp known(_near, _known), do: ""

  # As a shell needs it.
  defp quoted(path) do
    if path =~ ~r/\A[\w.\/+:@%-]+\z/,
      do: path,
      else: "'" <> String.replace(path, "'", "'\\''") <> "'"
  end
end
