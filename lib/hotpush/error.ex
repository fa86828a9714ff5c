defmodule Hotpush.Error do
  @moduledoc """
  What went wrong, as a noun with fields. The sentence is made late, in `Hotpush.Error.Prose`.

    * `:stage` - `:usage`, `:compile`, `:scan`, `:discover`, `:connect`, `:ask`, `:refusal` (we will
      not), `:stage` (nothing changed there yet), `:load`, `:fault` (of Hotpush's own)
    * `:subject` - the node, module, file or option that it is about
    * `:reason` - a term that `Hotpush.Error.Prose` knows
    * `:called` - what the sentence calls the subject, where it has a name of its own here, as in
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
    # A reason that has no sentence. Only its kind is shown: there may be a secret in the rest.
    _ in [FunctionClauseError, CaseClauseError, Protocol.UndefinedError, ArgumentError] ->
      "#{subject(error.subject)}: #{error.stage} failed (#{Prose.kind(error)}). " <>
        "Please report this sentence."
  end

  defp subject(subject) when is_binary(subject) or is_atom(subject), do: to_string(subject)
  defp subject(_subject), do: "hotpush"
end
