defmodule Hotpush.Error do
  @moduledoc """
  An error or a refusal, with the facts as fields. `Hotpush.Error.Prose` makes its sentence.

    * `:stage` - where it happened: `:usage`, `:compile`, `:scan`, `:discover`, `:connect`, `:ask`,
      `:refusal` (Hotpush refuses the push), `:stage` (nothing has changed on the device yet),
      `:load`, `:fault` (a bug in Hotpush)
    * `:subject` - the node, module, file or option that the error is about
    * `:reason` - an atom, or a tuple that starts with one: see `Hotpush.Error.Reasons`
    * `:called` - the name of the subject in the sentence, if it has a name of its own, such as
      `porch (example@nerves.local)`
  """
  alias Hotpush.Error.Prose

  defexception [:stage, :subject, :reason, :called]

  @type stage ::
          :usage
          | :compile
          | :scan
          | :discover
          | :connect
          | :ask
          | :refusal
          | :stage
          | :load
          | :fault
  @type t :: %__MODULE__{
          stage: stage(),
          subject: term(),
          reason: term(),
          called: String.t() | nil
        }

  @doc "Makes an error."
  @spec new(stage(), term(), term()) :: t()
  def new(stage, subject, reason) do
    %__MODULE__{stage: stage, subject: subject, reason: reason}
  end

  @impl true
  def message(error) do
    Prose.sentence(error)
  rescue
    # The reason has no sentence. Show only its kind: the rest may contain a secret.
    _ in [FunctionClauseError, CaseClauseError, Protocol.UndefinedError, ArgumentError] ->
      "#{subject(error.subject)}: #{error.stage} failed (#{Prose.kind(error)}). " <>
        "Please report this message."
  end

  defp subject(subject) when is_binary(subject) or is_atom(subject), do: to_string(subject)
  defp subject(_subject), do: "hotpush"
end
