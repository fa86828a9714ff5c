defmodule Hotpush.Error.Reasons do
  @moduledoc """
  The reasons of a `Hotpush.Error`, by its stage, for programs that match on them.

  A reason is an atom, or a tuple that starts with one. In the JSON document, this atom is the
  error's `kind`. `reason` in a tuple is the system's error as `File` has it, such as `:eacces`.

  ## :usage

  The command line, the functions of `Hotpush`, and the configuration:

    * `:none_confirmed`, `:no_nodes` - nothing names a device
    * `{:unknown_option, task, near}`, `{:unexpected_argument, task, near}`, `{:unknown_key, near}`,
      `{:unknown_config, near, known}` - there is no such option, argument or key
    * `{:bad_value, value, expected, near}`, `{:bad_option, got}`, `{:bad_id, got}`,
      `{:bad_config, expected}` - it takes another value
    * `{:contradiction, other}`, `{:help, task}`, `:port_option`, `:cookie_with_space`,
      `:no_keywords`, `:of_the_task` - the options are wrong in another way
    * `:bad_node`, `{:node_port, bare}`, `:bad_host`, `:bad_port`, `:long_host`, `:bare_port`,
      `:bad_serial` - this is not the name of a device
    * `{:no_such_module, near}`, `{:no_such_app, near}`, `:way_not_pushed`, `:itself` - the project
      has no such module or application, or it is never pushed
    * `:not_compiled`, `:no_project` - there is nothing to push here
    * `:unfinished` - the JSON document of a run that has not ended
    * `{:json_not_written, reason}` - of the file for `--json`

  In or about `hotpush.toml`:

    * `{:settings_mistake, message, meant}`, `{:settings_value, error}` - a value is wrong
    * `{:same_device, nickname, other, address}` - two entries are the same device
    * `{:settings_unreadable, reason}` - the file cannot be read
    * `:settings_unread`, `:settings_left_out`, `{:name_unread, path}`, `:settings_useless` - the
      native library is not loaded
    * `{:bad_cookie, key, expected}`, `{:cookie_not_set, variable}`,
      `{:cookie_unreadable, path, reason}`, `{:cookie_file_empty, path}` - there is no cookie
    * `{:cookie_file_open, path, mode}`, `{:settings_open, path, mode}` - others have access to the file
    * `{:no_such_device, path, near, known}`, `{:no_such_group, path, near, known}`,
      `{:no_such_name, near, known}`, `:no_settings` - nothing has this name
    * `:settings_exist`, `{:settings_above, dir}`, `{:not_written, reason}` - `mix hotpush.init` did
      not write the file

  ## :compile

    * `{:compile, message}` - the compiler's message, or its exit status
    * `:syntax` - a file that Mix reads when it starts is not valid Elixir

  ## :scan

  The subject is the path. Each `detail` is text for people, and may be empty:

    * `{:truncated, detail}`, `{:empty, detail}`, `{:not_a_beam, detail}`, `{:bad_gzip, detail}`,
      `{:too_large, detail}`, `{:bad_chunk, detail}` - the content is not that of a module
    * `{:wrong_name, detail}`, `{:duplicate_module, detail}` - it is of another module, or there are
      two
    * `{:changed_while_reading, detail}` - somebody is writing the file
    * `{:unreadable, detail}` - it is not a regular file
    * `{:unreadable, reason, detail}`, `{:dangling_link, reason, detail}`,
      `{:vanished, reason, detail}`, `{:missing_folder, reason, detail}` - the system's error, and
      its message. If that error has no common name, the tuple has no `reason`
    * `{:more_problems, count}` - more files that cannot be used

  ## :discover

    * `:no_native_library`, `:too_many`, `{:system, text}` - mDNS cannot be used
    * `{:timeout, ms}`, `{:raised, text}`, `{:bad_answer, got}`, `:no_such_way`,
      `:way_not_compiled` - a way to find devices failed
    * `:no_nodes_there` - the host has an epmd, and no node
    * `:slow_scan` - the build was not read in time
    * `:key_changed`, `:no_host_key` - of a device's ssh host key
    * `{:bad_confirmed, line}`, `{:confirmed_by_others, mode}`, `{:not_read, reason}`,
      `{:not_written, reason}` - of the file with the confirmed devices

  ## :connect

    * `{:timeout, ms}` - the connection was not complete in time
    * `{:no_such_id, near}` - no device has this name
    * `{:unresolved, host}`, `{:unresolved, host, similar}` - the host's name does not resolve

  Over distribution:

    * `{:no_epmd, host, port, reason}`, `{:not_registered, host, names}`,
      `{:port_closed, host, port, reason}` - nothing answers
    * `{:other_name, name}` - a node of another full name answers
    * `:handshake_refused`, `:handshake_broken` - most likely the cookie; a link that broke
    * `:no_home`, `{:name_domain, kind}`, `{:not_started, reason}` - distribution cannot be started
      here
    * `:no_ssl`, `{:tls, cause}`, `{:tls, cause, more}`, `{:tls, cause, more, guides}` - of TLS

  Over ssh, to the host in `ssh`:

    * `:ssh_missing` - there is no ssh on this computer
    * `{:port_refused, ssh}`, `{:no_route, ssh}`, `{:no_answer, ssh}`, `{:hung_up, ssh}` - no ssh
      daemon answers
    * `{:host_key_unknown, ssh}`, `{:host_key_changed, ssh}`, `{:host_key_not_confirmed, ssh}`,
      `{:keys_not_written, path, reason}` - of the device's host key
    * `{:key_refused, ssh}`, `{:password_needed, ssh}`, `{:key_open, ssh}`, `{:too_many_keys, ssh}`,
      `{:no_algorithm, ssh}` - the device does not let you in
    * `{:exec_disabled, ssh}`, `{:not_elixir, ssh, said}`, `{:bad_answer, ssh}` - it does not
      evaluate Elixir
    * `{:ssh_says, ssh, said}` - anything else that ssh said

  Through adb:

    * `:adb_missing`, `{:adb_timeout, ms}`, `{:adb_failed, said}` - of adb itself
    * `{:adb_no_device, near, there}`, `{:adb_ambiguous, serials}`, `{:adb_state, state}` - of the
      device
    * `{:adb_no_epmd, port, reason}`, `{:adb_reversed, port, other}`, `{:adb_epmd_there, port, said}`
      - the tunnel to epmd
    * `{:adb_no_node, names}`, `{:adb_not_registered, name, names}`, `{:adb_elsewhere, name, port}`,
      `{:adb_nodes, names}`, `{:adb_same_node, node, serials}`, `{:adb_silent, name, port}`,
      `{:adb_host, node}` - about the device's node
    * `{:adb_port_of, port, other}`, `{:adb_port_taken, port}` - the tunnel to the node

  ## :refusal

    * `{:otp_older, host, device}`, `{:elixir_differs, host, device}`, `:no_elixir`,
      `{:other_project, apps, running}`, `{:target_differs, host, device}` - it is another device
      than this build is for
    * `{:protocol_loses, protocol, modules}`, `{:protocol_gains, protocol, modules}`,
      `{:not_consolidated, protocols}` - of consolidated protocols
    * `{:name_taken, modules}`, `{:nif_loaded, modules}`, `{:not_loadable, errors}` - these modules
      cannot be loaded, or should not
    * `{:held, holders}`, `{:lived_by, living}` - processes need the code that would go
    * `{:busy, who, seconds}`, `{:unready, ms}`, `:silent`, `:changed` - the device is not ready, or no
      longer

  ## :ask, :stage and :load

  Errors of the device. Nothing has changed there unless the code was being loaded:

    * `{:timeout, ms}`, `:connection_lost`, `{:raised, text}`, `{:unreadable, what}` - there is no
      answer, or it cannot be used

  ## :load

    * `{:unknown, reason, why}`, `{:given_up, ms}` - whether the device runs the code is unknown
    * `:still_busy`, `:restarted` - of the device
    * `{:not_loaded, why}`, `:other_code`, `:still_there` - the subject is a module

  ## :fault

    * `{:fault, what, where}` - a bug in Hotpush
  """
end
