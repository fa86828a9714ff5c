defmodule Hotpush.Test.SshDevice.Firmware do
  @moduledoc """
  What runs on an SSH device: OTP's daemon, set up as nerves_ssh 1.3.1 does it.

  The options are those that its `options.ex`, `keys.ex`, `user_passwords.ex` and
  `exec.ex` come to. What differs: the port, one address instead of all, keys and
  passwords given at the start, and no fwup subsystem. Older versions that matter:
  before 0.2.3 an error was `** (kind) value` without a stack trace; before 1.3.0
  a command `scp -t|-f ...` was not evaluated but served.
  """

  @behaviour :ssh_server_key_api

  alias Hotpush.Test.Ports

  @doc """
  Starts the daemon; answers the port that it listens on.

  `spec` has `ports` (the first free one is taken), `ip`, `system_dir`, `user_dir`, `authorized` (the lines of an
  authorized_keys file), `passwords` (`[{user, password}]`), `exec` and `banner`.
  """
  @spec start(map) :: :inet.port_number()
  def start(spec) do
    {:ok, daemon} = Ports.first(spec.ports, &:ssh.daemon(&1, options(spec)))
    :persistent_term.put(__MODULE__, daemon)
    {:ok, info} = :ssh.daemon_info(daemon)
    Keyword.fetch!(info, :port)
  end

  @doc "Stops the daemon and its connections, as when the application is stopped."
  @spec stop() :: :ok
  def stop, do: :ssh.stop_daemon(:persistent_term.get(__MODULE__))

  defp options(spec) do
    [
      {:inet, :inet6},
      {:ip, spec.ip},
      {:disconnectfun, fn _reason -> false end},
      {:id_string, :random},
      {:modify_algorithms, [rm: weak()]},
      {:subsystems, [:ssh_sftpd.subsystem_spec(cwd: ~c"/")]},
      {:system_dir, to_charlist(spec.system_dir)},
      {:user_dir, to_charlist(spec.user_dir)},
      {:key_cb, {__MODULE__, host_keys: host_keys(spec), authorized: authorized(spec)}},
      {:pwdfun, &password(spec.passwords, &1, &2, &3, &4)}
    ] ++ shell(spec.exec) ++ exec(spec.exec, spec.banner)
  end

  defp weak do
    ciphers = [:"aes256-cbc", :"aes192-cbc", :"aes128-cbc", :"3des-cbc"]
    macs = [:"hmac-sha2-256", :"hmac-sha1-etm@openssh.com", :"hmac-sha1"]

    [
      kex: [
        :"diffie-hellman-group-exchange-sha256",
        :"ecdh-sha2-nistp384",
        :"ecdh-sha2-nistp521",
        :"ecdh-sha2-nistp256"
      ],
      cipher: [client2server: ciphers, server2client: ciphers],
      mac: [client2server: macs, server2client: macs]
    ]
  end

  defp host_keys(spec) do
    algorithm = :"ssh-ed25519"
    {:ok, key} = :ssh_file.host_key(algorithm, system_dir: to_charlist(spec.system_dir))
    %{algorithm => key}
  end

  defp authorized(spec) do
    for line <- spec.authorized, {key, _comment} <- :ssh_file.decode(line, :auth_keys), do: key
  end

  @impl true
  def host_key(algorithm, options) do
    case options[:key_cb_private][:host_keys] do
      %{^algorithm => key} -> {:ok, key}
      _ -> {:error, :enoent}
    end
  end

  @impl true
  def is_auth_key(key, _user, options), do: key in options[:key_cb_private][:authorized]

  defp password(known, user, password, peer, :undefined),
    do: password(known, user, password, peer, 0)

  # The third wrong one ends the connection.
  defp password(known, user, password, _peer, tried) do
    cond do
      {to_string(user), to_string(password)} in known -> true
      tried >= 2 -> :disconnect
      true -> {false, tried + 1}
    end
  end

  defp shell(:erlang), do: []

  # Asked there, as the device may have another Elixir than the test.
  defp shell(_elixir) do
    if Version.match?(System.version(), ">= 1.17.0"),
      do: [shell: {:iex, :start, [[], {:elixir_utils, :noop, []}]}],
      else: [shell: {IEx, :start, [[]]}]
  end

  defp exec(:disabled, _banner), do: [exec: :disabled]

  # Since OTP 29 the default is to evaluate nothing.
  defp exec(:erlang, _banner) do
    if List.to_integer(:erlang.system_info(:otp_release)) >= 29,
      do: [exec: :erlang_eval],
      else: []
  end

  defp exec(kind, nil), do: [exec: {:direct, evaluator(kind)}]

  defp exec(kind, banner) do
    run = evaluator(kind)

    noisy = fn command ->
      IO.puts(banner)
      run.(command)
    end

    [exec: {:direct, noisy}]
  end

  defp evaluator(:elixir), do: &__MODULE__.run_elixir/1
  defp evaluator(:shell), do: &__MODULE__.run_shell/1
  defp evaluator(:lfe_like), do: &__MODULE__.run_lfe_like/1

  @doc "Evaluates Elixir as nerves_ssh does: all of `inspect`'s limits, and formatted errors."
  @spec run_elixir(charlist) :: {:ok, String.t()} | {:error, String.t()}
  def run_elixir(command) do
    {value, _bindings} = Code.eval_string(command)
    {:ok, inspect(value)}
  catch
    kind, reason -> {:error, Exception.format(kind, reason, __STACKTRACE__)}
  end

  @doc "A device whose commands go to `sh -c`; a status other than 0 is an error."
  @spec run_shell(charlist) :: {:ok, String.t()} | {:error, String.t()}
  def run_shell(command) do
    case System.cmd("sh", ["-c", to_string(command)], stderr_to_stdout: true) do
      {output, 0} -> {:ok, output}
      {output, _status} -> {:error, output}
    end
  end

  @doc "Answers any command as LFE does one whose first word it does not know; LFE is not there."
  @spec run_lfe_like(charlist) :: {:error, String.t()}
  def run_lfe_like(command) do
    word = command |> to_string() |> String.split(~r/[\s().,]+/, trim: true) |> List.first("")
    :erlang.error({:unbound_symb, word})
  catch
    kind, reason -> {:error, Exception.format(kind, reason, __STACKTRACE__)}
  end
end
