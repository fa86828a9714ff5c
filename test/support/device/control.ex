defmodule Hotpush.Test.Device.Control do
  @moduledoc """
  A separate way into a device: a socket (on loopback, or on the cable to its namespace), without
  distribution.

  The device connects back to this VM with an expression in `-eval`, so nothing is
  loaded there, on any OTP and in any mode. A device whose socket closes halts.
  """

  defstruct [:ip, :listener, :socket, :token]

  @type t :: %__MODULE__{}

  @doc "Listens for one device, at this address of ours."
  @spec listen(:inet.ip4_address()) :: t
  def listen(ip \\ {127, 0, 0, 1}) do
    options = [:binary, ip: ip, packet: 4, active: false, nodelay: true]
    {:ok, listener} = :gen_tcp.listen(0, options)
    %__MODULE__{ip: ip, listener: listener, token: Base.encode16(:rand.bytes(8))}
  end

  @doc "The Erlang expression that makes a device connect to `control`."
  @spec expression(t) :: String.t()
  def expression(control) do
    {:ok, port} = :inet.port(control.listener)
    ip = control.ip |> Tuple.to_list() |> Enum.join(",")

    squeeze("""
    spawn(fun() ->
      {ok, S} = gen_tcp:connect({#{ip}}, #{port},
        [binary, {packet,4}, {active,false}, {nodelay,true}]),
      ok = gen_tcp:send(S, <<"#{control.token}">>),
      (fun Loop() ->
        case gen_tcp:recv(S, 0) of
          {ok, Call} ->
            spawn(fun() ->
              {Ref, M, F, A} = binary_to_term(Call),
              Answer = try {ok, apply(M, F, A)} catch C:E:T -> {C, E, T} end,
              gen_tcp:send(S, term_to_binary({Ref, Answer}))
            end),
            Loop();
          _ -> erlang:halt(9, [{flush,false}])
        end
      end)()
    end).
    """)
  end

  defp squeeze(text), do: text |> String.split() |> Enum.join(" ")

  @doc """
  Takes the device's connection, if it is there within `timeout` milliseconds.

  From then on the calling process gets `{:tcp, socket, answer}`.
  """
  @spec accept(t, timeout) :: {:ok, t} | {:error, :timeout}
  def accept(control, timeout) do
    with {:ok, socket} <- :gen_tcp.accept(control.listener, timeout) do
      case :gen_tcp.recv(socket, 0, 5_000) do
        {:ok, token} when token == control.token ->
          :gen_tcp.close(control.listener)
          :inet.setopts(socket, active: true)
          {:ok, %{control | socket: socket}}

        _stranger ->
          :gen_tcp.close(socket)
          accept(control, timeout)
      end
    end
  end

  @doc "Sends a call; its answer comes as `{ref, {:ok, value} | {class, reason, stack}}`."
  @spec send_call(t, integer, {module, atom, [term]}) :: :ok | {:error, term}
  def send_call(control, ref, {m, f, a}) do
    :gen_tcp.send(control.socket, :erlang.term_to_binary({ref, m, f, a}))
  end
end
