defmodule Hotpush.Transport.Ssh.LengthTest do
  @moduledoc """
  Answers of every length. Even without a terminal, OTP 29's daemon writes a space and a backspace after a
  text that fills its lines of 80 columns.
  """
  use ExUnit.Case, async: true

  alias Hotpush.Test.{Run, SshDevice}
  alias Hotpush.Transport
  alias Hotpush.Config.Target

  @moduletag :ssh

  test "an answer of any length arrives whole" do
    device = SshDevice.start()
    {:ok, %Target{way: way}} = Target.ssh(SshDevice.address(device))
    target = %Target{name: "device", way: way, state_dir: Run.dir("length")}

    SshDevice.with_path(device, fn ->
      {:ok, conn} = Transport.Ssh.open(target, 20_000)

      # 60 bytes are 80 characters of base64, 36,864 are one write of the device.
      for bytes <- Enum.concat([0..59, 36_864..36_923, [5 * 36_864 - 12, 5 * 36_864]]) do
        assert {:ok, <<_::binary>> = answer} = call(conn, bytes)
        assert byte_size(answer) == bytes
      end

      Transport.Ssh.close(conn)
    end)
  end

  # Random bytes, since what is sent is compressed.
  defp call(conn, bytes), do: Transport.Ssh.call(conn, {:rand, :bytes, [bytes]}, 10_000)
end
