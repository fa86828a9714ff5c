%% @doc Receives modules that come in chunks, for the steps of hotpush_agent.
-module(hotpush_stage).

-export([stage/1]).

-compile(no_line_info).

%% How long (ms) the host may be silent. It sends something every second.
-define(SILENCE, 5000).

%% @doc Collects modules that come in chunks, then runs the transaction. Forgets everything if the host
%% goes away, or is silent, before it has sent the commit.
-spec stage({pid(), reference()}) -> term().
stage({Host, Ref}) ->
    Monitor = erlang:monitor(process, Host),
    Host ! {Ref, ready},
    Answer = collect(Host, Ref, Monitor, [], []),
    Host ! {Ref, Answer},
    Answer.

%% A large module comes in pieces, the last one in the chunk that names it.
collect(Host, Ref, Monitor, Pieces, Chunks) ->
    receive
        {Ref, piece, Piece} ->
            Host ! {Ref, {staged, 0}},
            collect(Host, Ref, Monitor, [Piece | Pieces], Chunks);
        {Ref, chunk, Kind, [{Name, App, Last} | Modules]} ->
            Host ! {Ref, {staged, 1 + length(Modules)}},
            Beam = iolist_to_binary(lists:reverse(Pieces, [Last])),
            collect(Host, Ref, Monitor, [], [{Kind, [{Name, App, Beam} | Modules]} | Chunks]);
        {Ref, commit, #{steps := Steps} = Work} ->
            %% From here on, the transaction is finished even if the host goes away.
            hotpush_agent:run(Work#{steps := [whole(Step, lists:reverse(Chunks)) || Step <- Steps]});
        {Ref, alive} ->
            collect(Host, Ref, Monitor, Pieces, Chunks);
        {'DOWN', Monitor, process, _, _} ->
            host_gone
    after ?SILENCE ->
        {refused, silent}
    end.

%% A step without chunks is as it came with the commit.
whole({Kind, What}, Chunks) ->
    case [Modules || {Of, Modules} <- Chunks, Of =:= Kind] of
        [] -> {Kind, What};
        Staged -> {Kind, lists:append(Staged)}
    end.
