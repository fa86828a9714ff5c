%% @doc The one module that travels: carries out a transaction on the device, and is taken out
%% again by whoever brought it. It calls kernel and stdlib only, so that it runs on a node
%% without Elixir.
-module(hotpush_agent).

-export([run/1, stage/1, lives/1]).

-include("hotpush_look.hrl").
-include("hotpush_lives.hrl").
-include("hotpush_on_load.hrl").

%% How long (ms) whoever stages may be silent. It says something every second.
-define(SILENCE, 5000).

%% @doc Collects modules that come in pieces, then runs the transaction; forgets everything if the
%% host goes away, or falls silent, before it said commit.
-spec stage({pid(), reference()}) -> term().
stage({Host, Ref}) ->
    Monitor = erlang:monitor(process, Host),
    Host ! {Ref, ready},
    Answer = collect(Host, Ref, Monitor, [], []),
    Host ! {Ref, Answer},
    Answer.

%% A large module comes in pieces: its last one is in the chunk that names it.
collect(Host, Ref, Monitor, Pieces, Chunks) ->
    receive
        {Ref, piece, Piece} ->
            Host ! {Ref, {staged, 0}},
            collect(Host, Ref, Monitor, [Piece | Pieces], Chunks);
        {Ref, chunk, [{Name, App, Last} | Modules]} ->
            Host ! {Ref, {staged, 1 + length(Modules)}},
            Beam = iolist_to_binary(lists:reverse(Pieces, [Last])),
            collect(Host, Ref, Monitor, [], [[{Name, App, Beam} | Modules] | Chunks]);
        {Ref, commit, Work} ->
            %% From here on it is finished even if the host vanishes.
            run(Work#{load := lists:append(lists:reverse(Chunks))});
        {Ref, alive} ->
            collect(Host, Ref, Monitor, Pieces, Chunks);
        {'DOWN', Monitor, process, _, _} ->
            host_gone
    after ?SILENCE ->
        {refused, silent}
    end.

%% @doc Loads, removes, reads back.
%%
%% Work: `load' is [{Name, App, Beam}], `remove' is [{Name, App, Stub}], `purge' is soft or kill,
%% `force' loads over a loaded NIF library, `patience' is how many milliseconds all of it may take.
%% Names are text, here and in the answer: the host makes no atoms of what it is answered.
%%
%% Answers {refused, Reason}, where nothing changed, or {done, Result}.
-spec run(map()) -> {refused, term()} | {done, map()}.
run(#{load := ToLoad, remove := ToRemove, purge := Purge, force := Force, patience := Ms}) ->
    Start = erlang:monotonic_time(microsecond),
    [Load, Remove] = [[{binary_to_atom(N, utf8), App, Beam} || {N, App, Beam} <- Work]
                      || Work <- [ToLoad, ToRemove]],
    Given = #{until => now_ms() + Ms, ms => Ms, purge => Purge, killed => [], purged => []},
    case within(Given, fun() -> check(Load, Remove, Purge, Force) end) of
        late ->
            {refused, {unready, Ms}};
        {refused, _} = Refused ->
            Refused;
        {OnLoad, Batch} ->
            Names = [M || {M, _, _} <- Load ++ Remove],
            Exports = [{M, exports(M)} || M <- Names],
            {Error, Failed, Stays, Then} = commit(OnLoad, Batch, Given),
            Spent = erlang:monotonic_time(microsecond) - Start,
            Identity = ?IDENTITY,
            Look = fun() -> {(?HOLDERS)(Names), orphaned(Exports)} end,
            {Held, Orphaned} = case within(a_little_more(Given), Look) of
                late -> {[], []};
                Seen -> Seen
            end,
            {done, #{identities => [{name(M), Identity(M)} || M <- Names],
                     failed => named(Failed), error => Error, stays => named(Stays),
                     killed => maps:get(killed, Then),
                     purged => [name(M) || M <- maps:get(purged, Then)],
                     held => Held, orphaned => Orphaned, microseconds => Spent}}
    end.

%% All that speaks against it, before anything changes. Modules with on_load come with what would
%% put them back, those last for which somebody has to be ended.
check(Load0, Remove, Purge, Force) ->
    {Stubs, Deletions} = lists:partition(fun comes_back/1, Remove),
    Load = [{M, file_of(M, App), Beam} || {M, App, Beam} <- Load0 ++ Stubs],
    {OnLoad, Prepared} = prepare(Load),
    Force orelse refuse_nifs(OnLoad),
    Force orelse refuse_lived_by([M || {M, _, _} <- Remove]),
    Held = (?HOLDERS)([M || {M, _, _} <- Load ++ Deletions]),
    Purge =:= soft andalso Held =/= [] andalso throw({refused, {held, Held}}),
    {Last, First} = lists:partition(fun({M, _, _}) -> lists:keymember(name(M), 3, Held) end, OnLoad),
    {[{Module, earlier(M)} || {M, _, _} = Module <- First ++ Last],
     {[M || {M, _, _} <- (Load -- OnLoad) ++ Deletions], Prepared, [M || {M, _, _} <- Deletions]}}.

%% In interactive mode a deleted module whose file is on the code path is loaded again by the next
%% call; an empty module in its place keeps it gone.
comes_back({M, _, _}) ->
    code:get_mode() =:= interactive andalso
        code:where_is_file(atom_to_list(M) ++ ".beam") =/= non_existing.

%% The device's own name for the file, so that code:module_status/1 and code:get_object_code/1
%% keep working there.
file_of(M, App) ->
    case code:which(M) of
        [_ | _] = File ->
            File;
        _ ->
            Ebin = case code:lib_dir(App) of
                {error, _} -> filename:join(["hotpush", App, "ebin"]);
                Dir -> filename:join(Dir, "ebin")
            end,
            filename:join(Ebin, atom_to_list(M) ++ ".beam")
    end.

%% Modules with on_load cannot be part of a batch; the loader names them.
prepare(Load) ->
    case code:prepare_loading(Load) of
        {ok, Prepared} ->
            {[], Prepared};
        {error, Errors} ->
            case [E || {_, Reason} = E <- Errors, Reason =/= on_load_not_allowed] of
                [] ->
                    {OnLoad, Rest} = lists:partition(
                        fun({M, _, _}) -> lists:keymember(M, 1, Errors) end, Load),
                    {ok, Prepared} = code:prepare_loading(Rest),
                    {OnLoad, Prepared};
                Bad ->
                    throw({refused, {not_loadable, named(Bad)}})
            end
    end.

refuse_nifs(OnLoad) ->
    case [M || {M, _, _} <- OnLoad, erlang:module_loaded(M),
               erlang:get_module_info(M, nifs) =/= []] of
        [] -> ok;
        Modules -> throw({refused, {nif_loaded, [name(M) || M <- Modules]}})
    end.

%% Whoever lives by a module that is removed crashes at the next message.
refuse_lived_by([]) ->
    ok;
refuse_lived_by(Modules) ->
    case lived_by(Modules) of
        [] -> ok;
        Living -> throw({refused, {lived_by, Living}})
    end.

%% @doc Who lives by these modules, and so speaks against their removal. Changes nothing.
-spec lives([binary()]) -> [{binary(), binary(), binary(), binary()}].
lives(Names) ->
    lived_by([binary_to_atom(N, utf8) || N <- Names]).

lived_by(Modules) ->
    [{Pid, Who, Module, Supervisor} || {Pid, Who, Module, Supervisor, _} <- living(Modules)].

exports(M) ->
    try erlang:get_module_info(M, exports) catch error:badarg -> [] end.

%% Who will call a function that a module had before, and has no longer.
orphaned(Before) ->
    Lost = maps:from_list([{M, Fs} || {M, Had} <- Before, Fs <- [Had -- exports(M)], Fs =/= []]),
    case maps:keys(Lost) of
        [] ->
            [];
        Modules ->
            [{Pid, Who, Module, Supervisor, [text("~tw/~w", [F, A]) || {F, A} <- Missing]}
             || {Pid, Who, Module, Supervisor, Calls} <- living(Modules),
                Missing <- [[FA || FA <- maps:get(binary_to_atom(Module, utf8), Lost),
                                   lists:member(FA, Calls)]],
                Missing =/= []]
    end.

%% Modules with on_load one by one, then all others at once, then what goes. Nobody is ended, and
%% no old code purged, for a module whose turn does not come.
commit(OnLoad, Batch, Given) ->
    case on_load(OnLoad, [], Given) of
        {none, [], Done, Then} -> put_back(Done, batch(Batch, Then));
        {Error, Failed, Done, Then} -> put_back(Done, {Error, Failed, Then})
    end.

batch({Names, Prepared, Deletions}, Given) ->
    case make_room(Names, Given) of
        {[], Then} ->
            Finish = fun() ->
                case code:finish_loading(Prepared) of
                    ok -> lists:foreach(fun code:delete/1, Deletions);
                    Error -> Error
                end
            end,
            case within(Then, Finish) of
                ok -> {none, [], Then};
                {error, Errors} -> {batch, Errors, Then};
                late -> {late, [], Then}
            end;
        {Left, Then} ->
            {batch, [{M, not_purged} || M <- Left], Then}
    end.

%% A slot holds one old version. Purging ends who still runs it, and the funs that it has made.
%% Answers for which modules there is no room.
make_room(Modules, #{purge := Purge, killed := Killed, purged := Purged} = Given) ->
    Old = lists:filter(fun erlang:check_old_code/1, Modules),
    Look = fun() -> case Purge of kill -> (?HOLDERS)(Old); soft -> [] end end,
    case within(Given, Look) of
        late ->
            {Old, Given};
        Held ->
            within(Given, fun() -> lists:foreach(fun(M) -> purge(M, Purge) end, Old) end),
            Ended = [Holder || {P, _, _} = Holder <- Held,
                               not is_process_alive(list_to_pid(binary_to_list(P)))],
            {Left, Gone} = lists:partition(fun erlang:check_old_code/1, Old),
            {Left, Given#{killed := Killed ++ Ended, purged := Purged ++ Gone}}
    end.

purge(M, kill) -> code:purge(M);
purge(M, soft) -> code:soft_purge(M).

%% Whatever may hang is asked of a process that can be ended: the agent itself keeps the lock.
within(Given, Fun) ->
    {Worker, Monitor} = apart(Fun),
    receive
        {'DOWN', Monitor, process, _, {answer, Answer}} -> Answer;
        {'DOWN', Monitor, process, _, Crash} -> exit(Crash)
    after left(Given) ->
        exit(Worker, kill),
        erlang:demonitor(Monitor, [flush]),
        late
    end.

apart(Fun) ->
    spawn_monitor(fun() -> exit({answer, try Fun() catch throw:Thrown -> Thrown end}) end).

left(#{until := Until}) -> max(0, Until - now_ms()).

a_little_more(#{ms := Ms} = Given) -> Given#{until := now_ms() + Ms div 10 + 100}.

now_ms() -> erlang:monotonic_time(millisecond).

name(M) ->
    atom_to_binary(M, utf8).

%% The loader's reasons are atoms, and one of ours has a number; whatever else one may be is told
%% as text.
named(Errors) ->
    [{name(M),
      case Reason of
          _ when is_atom(Reason) -> Reason;
          {on_load_timeout, _} -> Reason;
          _ -> unicode:characters_to_binary(io_lib:format("~0tP", [Reason, 10]))
      end}
     || {M, Reason} <- Errors].
