%% @doc Receives modules that come in chunks, for the steps of hotpush_agent.
-module(hotpush_stage).

-export([stage/1, unpack/1]).

-compile(no_line_info).

%% How long (ms) the host may be silent. It sends something every second.
-define(SILENCE, 5000).
%% More than the largest module has, in bytes.
-define(LARGE, 16#5000000).

%% @doc Collects modules that come in chunks, then runs the transaction. Forgets everything if the host
%% goes away, or is silent, before it has sent the commit.
-spec stage({pid(), reference()}) -> term().
stage({Host, Ref}) ->
    Monitor = erlang:monitor(process, Host),
    Host ! {Ref, ready},
    Answer = collect(Host, Ref, Monitor, [], []),
    Host ! {Ref, Answer},
    Answer.

%% A bundle comes in pieces, the last one as the chunk that names the step. The host waits for what it
%% has sent, so one bundle is unpacked while others are on their way.
collect(Host, Ref, Monitor, Pieces, Chunks) ->
    receive
        {Ref, piece, Piece} ->
            Host ! {Ref, {staged, 0}},
            collect(Host, Ref, Monitor, [Piece | Pieces], Chunks);
        {Ref, chunk, Kind, Last} ->
            Modules = unpack(iolist_to_binary(lists:reverse(Pieces, [Last]))),
            Host ! {Ref, {staged, length(Modules)}},
            collect(Host, Ref, Monitor, [], [{Kind, Modules} | Chunks]);
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

%% @doc The modules of a bundle: see Hotpush.Protocol.Bundle.
-spec unpack(binary()) -> [{binary(), atom(), binary()}].
unpack(<<131, 80, Size:32, _/binary>> = Bundle) when Size =< ?LARGE ->
    modules(binary_to_term(Bundle));
unpack(<<131, Tag, _/binary>> = Bundle) when Tag =/= 80 ->
    modules(binary_to_term(Bundle)).

modules({[], _}) ->
    [];
modules({[{Name, App} | More], Columns}) ->
    Content = case [{Id, Data} || {Id, [Data | _]} <- Columns, Data =/= none] of
        [{whole, Whole}] -> Whole;
        Parts -> {ok, Beam} = beam_lib:build_module(Parts), Beam
    end,
    [{Name, App, Content} | modules({More, [{Id, Rest} || {Id, [_ | Rest]} <- Columns]})].

%% A step without chunks is as it came with the commit.
whole({Kind, What}, Chunks) ->
    case [Modules || {Of, Modules} <- Chunks, Of =:= Kind] of
        [] -> {Kind, What};
        Staged -> {Kind, lists:append(Staged)}
    end.
