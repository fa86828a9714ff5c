defmodule Hotpush.Transport.Dist.Tls do
  @moduledoc """
  Distribution over TLS, if this VM was started with `-proto_dist inet_tls`: sets up what is needed before
  its node starts, and finds out why a connection failed. guides/tls.md describes its use.
  """

  alias Hotpush.Transport.Dist.Greeting

  # ssl and the applications that it needs, in the order of their dependencies.
  @apps [:crypto, :asn1, :public_key, :ssl]

  # The options for distribution that a client of ssl also accepts.
  @client [:certfile, :keyfile, :password, :cacertfile, :verify, :depth, :versions, :ciphers]

  @doc "Whether this VM uses TLS to talk to other nodes."
  @spec used?() :: boolean()
  def used?, do: argument(:proto_dist) in ["inet_tls", "inet6_tls"]

  @doc """
  Makes ssl loadable: Mix removes applications that a project does not name from the code path. Hotpush
  reports ssl's alerts in a sentence, so ssl logs none.
  """
  @spec ready() :: :ok | {:error, :no_ssl}
  def ready do
    Enum.each(@apps, &reach/1)

    case Application.ensure_all_started(:ssl) do
      {:ok, _} -> :logger.set_application_level(:ssl, :none)
      {:error, _} -> {:error, :no_ssl}
    end
  end

  defp reach(app) do
    if :code.lib_dir(app) == {:error, :bad_name} do
      [:code.root_dir(), "lib", "#{app}-*", "ebin"]
      |> Path.join()
      |> Path.wildcard()
      |> Enum.each(&:code.add_pathz(to_charlist(&1)))
    end
  end

  @doc """
  The cause of a failed connection at this address, if it is TLS: only one side uses TLS, or one side does
  not accept the other's certificate. Returns `nil` for other causes.
  """
  @spec cause(String.t(), :inet.ip_address(), :inet.port_number(), pos_integer()) ::
          {:tls, atom()} | {:tls, atom(), term()} | nil
  def cause(host, address, port, timeout) do
    case {used?(), Greeting.name(address, port, timeout)} do
      {false, :tls} -> {:tls, :there_alone}
      {true, {:ok, _}} -> {:tls, :here_alone}
      {true, :tls} -> handshake(host, address, port, timeout)
      _ -> nil
    end
  end

  defp handshake(host, address, port, timeout) do
    with {:ok, {:ssl, socket}} <- connect(host, address, port, timeout) do
      # With TLS 1.3, the device only now says whether it accepts this host's certificate.
      answer = ssl(:recv, [socket, 0, 500])
      ssl(:close, [socket])
      answer
    end
    |> why()
  end

  @doc "Connects as this VM's node does, and completes the TLS handshake."
  @spec connect(String.t(), :inet.ip_address(), :inet.port_number(), pos_integer()) ::
          {:ok, Greeting.wire()} | {:error, term()}
  def connect(host, address, port, timeout) do
    sni = [server_name_indication: to_charlist(host), mode: :binary, active: false]

    with {:ok, options} <- client_options(),
         :ok <- files(options),
         {:ok, socket} <- ssl(:connect, [address, port, options ++ sni, timeout]),
         do: {:ok, {:ssl, socket}}
  end

  # Only users of TLS need ssl, so it is not among the applications of this project.
  defp ssl(function, arguments), do: apply(:ssl, function, arguments)

  # A client of ssl continues without a certificate that it cannot read.
  defp files(options) do
    unreadable = fn {key, path} ->
      key in [:certfile, :keyfile, :cacertfile] and not File.regular?(path)
    end

    case Enum.find(options, unreadable) do
      nil -> :ok
      {key, path} -> {:error, {:options, {key, path, :enoent}}}
    end
  end

  defp client_options do
    with file when is_binary(file) <- argument(:ssl_dist_optfile),
         {:ok, [options | _]} <- :file.consult(file) do
      {:ok, options |> Keyword.get(:client, []) |> Enum.filter(&known?/1)}
    else
      _ -> {:ok, []}
    end
  end

  defp known?({key, _}), do: key in @client
  defp known?(_), do: false

  defp why({:error, {:tls_alert, {kind, text}}}) do
    text = to_string(text)

    cond do
      text =~ "hostname_check_failed" -> {:tls, :other_host}
      text =~ "generated CLIENT ALERT" -> {:tls, :their_certificate, kind}
      true -> {:tls, :our_certificate, kind}
    end
  end

  # Since OTP 26, a client checks the other side's certificate by default.
  defp why({:error, {:options, :incompatible, [verify: :verify_peer, cacerts: :undefined]}}),
    do: {:tls, :no_authority}

  defp why({:error, {:options, {option, path, _}}}),
    do: {:tls, :option, {option, to_string(path)}}

  defp why({:error, {:options, what}}), do: {:tls, :option, {what, ""}}
  defp why(_), do: nil

  defp argument(name) do
    case :init.get_argument(name) do
      {:ok, [[value | _] | _]} -> to_string(value)
      _ -> nil
    end
  end
end
