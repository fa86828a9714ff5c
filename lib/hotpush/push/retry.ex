defmodule Hotpush.Push.Retry do
  @moduledoc """
  `--wait`: waits for what passes by itself, that is, for a device that boots and for somebody else's
  push.
  """

  alias Hotpush.Error
  alias Hotpush.Report.Result

  @pause 1_000

  # The reasons why a booting device cannot be reached.
  @boots [:unresolved, :no_epmd, :not_registered, :port_closed, :handshake_broken, :timeout] ++
           [:port_refused, :no_route, :no_answer, :hung_up] ++
           [:adb_no_device, :adb_no_node, :adb_not_registered, :adb_timeout]

  @doc """
  Calls `visit` until its outcome has no such error, or `ms` have passed (`nil`: calls it once). The
  argument of `visit` says whether this is the first call. `said` is called once, with the error.
  """
  @spec run(pos_integer() | nil, (boolean() -> Result.t()), (Error.t() -> any())) :: Result.t()
  def run(nil, visit, _said), do: visit.(true)
  def run(ms, visit, said), do: attempt(visit, said, now(), now() + ms, true)

  defp attempt(visit, said, start, deadline, first?) do
    began = now()
    outcome = visit.(first?)
    error = passing(outcome)

    if error && now() + @pause < deadline do
      if first?, do: said.(error)

      receive do
      after
        @pause -> attempt(visit, said, start, deadline, false)
      end
    else
      # Connecting took as long as this.
      %{outcome | ms: Map.update(outcome.ms, :connect, began - start, &(&1 + began - start))}
    end
  end

  @doc """
  The error of an outcome that may pass by itself, or `nil`.

      iex> busy = Hotpush.Error.new(:refusal, "porch", {:busy, "ada@host", 3})
      iex> Hotpush.Push.Retry.passing(%Hotpush.Report.Result{status: :refused, refusals: [busy]})
      busy
      iex> cookie = Hotpush.Error.new(:connect, :a@b, :handshake_refused)
      iex> Hotpush.Push.Retry.passing(%Hotpush.Report.Result{failures: [cookie]})
      nil
  """
  @spec passing(Result.t()) :: Error.t() | nil
  def passing(%Result{refusals: [%Error{reason: {:busy, _, _}} = error]}), do: error

  def passing(%Result{failures: [%Error{stage: :connect} = error]}),
    do: if(boots?(error.reason), do: error)

  def passing(%Result{failures: [%Error{stage: :ask, reason: :connection_lost} = error]}),
    do: error

  def passing(_outcome), do: nil

  defp boots?({:adb_state, state}), do: state in [:offline, :authorizing]
  defp boots?(reason) when is_tuple(reason), do: elem(reason, 0) in @boots
  defp boots?(reason), do: reason in @boots

  defp now, do: System.monotonic_time(:millisecond)
end
