defmodule Hotpush.Error.Prose.Tls do
  @moduledoc "The sentences for a connection between this host's node and the device's that TLS prevents."

  @doc """
  The sentence. `more` has details of some causes. `guides` is the path to Hotpush's guides from the
  project.
  """
  @spec sentence(term(), atom(), term(), Path.t()) :: String.t()
  def sentence(node, cause, more \\ nil, guides \\ "guides"),
    do: "#{said(node, cause, more)} For more, see #{guides}/tls.md."

  defp said(node, :there_alone, _) do
    "#{node} uses TLS for distribution, and this host does not. Run it with " <>
      "ELIXIR_ERL_OPTIONS=\"-proto_dist inet_tls -ssl_dist_optfile FILE\"."
  end

  defp said(node, :here_alone, _) do
    "#{node} does not use TLS for distribution, but this host does (-proto_dist inet_tls). " <>
      "Run it without that option, or start the device's node with it."
  end

  defp said(node, :other_host, _) do
    [_, host] = String.split(to_string(node), "@", parts: 2)

    "the certificate of #{node} is not for #{host}. Make one with " <>
      "subjectAltName #{alternative(host)}, or use the host name in the certificate."
  end

  defp said(node, :their_certificate, kind) do
    "this host does not accept the certificate of #{node} (#{kind}). Is the authority that signed " <>
      "it in the cacertfile of -ssl_dist_optfile?"
  end

  defp said(node, :our_certificate, kind) do
    "#{node} does not accept this host's certificate (#{kind}). Is the authority that signed it in " <>
      "the device's cacertfile, and are certfile and keyfile set here for the client?"
  end

  defp said(node, :no_authority, _) do
    "this host cannot check the certificate of #{node}: the client part of -ssl_dist_optfile " <>
      "has no cacertfile."
  end

  defp said(_node, :option, {option, path}),
    do: "-ssl_dist_optfile: #{option} #{path} cannot be used."

  defp said(_node, :optfile, path) do
    "-ssl_dist_optfile: #{path} cannot be read. It should contain one list, " <>
      "[{server, [...]}, {client, [...]}], and a full stop."
  end

  # For an address, OTP 25 looks at the DNS entry, and OTP 27 at the IP entry.
  defp alternative(host) do
    case :inet.parse_strict_address(to_charlist(host)) do
      {:ok, _} -> "DNS:#{host},IP:#{host}"
      {:error, _} -> "DNS:#{host}"
    end
  end
end
