%% @doc The core of what travels: carries out a transaction on the device. The call that brings it also
%% removes it. If the work needs them, hotpush_stage (modules in chunks), hotpush_on_load,
%% hotpush_remove and hotpush_lives travel with it. All of them call only kernel and stdlib, so they also run on a node
%% without Elixir.
%%
%% This module, hotpush_on_load and hotpush_remove are also run by erl_eval, as one fun: see
%% Hotpush.Protocol.Interpreted. So they have no records.
-module(hotpush_agent).

-export([run/1]).
%% For hotpush_on_load and hotpush_remove.
-export([a_little_more/1, apart/1, left/1, make_room/2, module/1, name/1, not_loadable/1, to_load/1]).
-export([within/2]).

-compile(no_line_info).

-include("hotpush_look.hrl").

%% @doc Carries out the steps of a plan, in order, and reads back.
%%
%% Work: `steps' is [{Kind, What}], see step/3; `purge' is soft or kill, `force' loads over a loaded
%% NIF library, `patience' is how many milliseconds the whole work may take. Names are binaries, here
%% and in the answer: the host makes no atoms of them. `seen' is what the plan was made from, see
%% unchanged/1.
%%
%% Returns {refused, Reason} if nothing has changed, or {done, Result}. There, `steps' has the answer of
%% each step, and `lost' the exports that no longer exist, [{Module, [{Function, Arity}]}], if
%% hotpush_lives is not here to find who calls them.
-spec run(map()) -> {refused, term()} | {done, map()}.
run(#{steps := Steps, purge := Purge, force := Force, patience := Ms} = Asked) ->
    Start = erlang:monotonic_time(microsecond),
    Given = #{until => now_ms() + Ms, ms => Ms, purge => Purge, killed => [], purged => []},
    Check = fun() ->
        unchanged(maps:get(seen, Asked, none)),
        check(Steps, Purge, Force)
    end,
    case within(Given, Check) of
        late ->
            {refused, {unready, Ms}};
        {refused, _} = Refused ->
            Refused;
        {OnLoad, {Replaced, _, _} = Batch} ->
            Names = [M || {{M, _, _}, _} <- OnLoad] ++ Replaced,
            Exports = [{M, exports(M)} || M <- Names],
            {Error, Failed, Stays, Then} = commit(OnLoad, Batch, Given),
            Spent = erlang:monotonic_time(microsecond) - Start,
            Answers = [finish(Step, Error, a_little_more(Given)) || Step <- Steps],
            Lost = [{name(M), [{name(F), A} || {F, A} <- Fs]}
                    || {M, Had} <- Exports, Fs <- [Had -- exports(M)], Fs =/= []],
            Look = fun() ->
                {holders(Names),
                 case erlang:module_loaded(hotpush_lives) of
                     true -> {hotpush_lives:orphaned(Lost), []};
                     false -> {[], Lost}
                 end}
            end,
            {Held, {Orphaned, Unasked}} = case within(a_little_more(Given), Look) of
                late -> {[], {[], []}};
                Seen -> Seen
            end,
            {done, #{steps => Answers, failed => named(Failed), error => Error,
                     stays => named(Stays), killed => maps:get(killed, Then),
                     purged => [name(M) || M <- maps:get(purged, Then)],
                     held => Held, orphaned => Orphaned, lost => Unasked, microseconds => Spent}}
    end.

%% What the device was asked, and its answer then. The plan says nothing about a device that now runs
%% something else.
unchanged({Apps, Fingerprint}) ->
    {All, _} = lists:unzip(code:all_loaded()),
    (?FINGERPRINT)(All, Apps) =:= Fingerprint orelse throw({refused, changed});
unchanged(none) ->
    ok.

%% All reasons to refuse the work, before anything changes.
check(Steps, Purge, Force) ->
    {Load, Deletions} = lists:foldl(fun(S, Work) -> step(S, Work, Force) end, {[], []}, Steps),
    {OnLoad, Prepared} = prepare(Load),
    Force orelse OnLoad =:= [] orelse hotpush_on_load:refuse_nifs(OnLoad),
    Held = holders([M || {M, _, _} <- Load] ++ Deletions),
    Purge =:= soft andalso Held =/= [] andalso throw({refused, {held, Held}}),
    {case OnLoad of [] -> []; _ -> hotpush_on_load:in_order(OnLoad, Held) end,
     {[M || {M, _, _} <- Load -- OnLoad] ++ Deletions, Prepared, Deletions}}.

%% What a step adds to the code that is loaded and deleted in one transaction. Throws {refused, Why} if
%% the step must not be carried out.
%%
%% {load, [{Name, App, Beam}]}
step({load, Modules}, {Load, Delete}, _) ->
    {Load ++ to_load([{module(N), App, Beam} || {N, App, Beam} <- Modules]), Delete};
%% {remove, [{Name, App, Stub}]}: the stub is empty if the firmware's module of that name comes back.
step({remove, Modules}, Work, Force) ->
    hotpush_remove:step(Modules, Work, Force);
%% {note, Note}
step(_, Work, _) ->
    Work.

to_load(Modules) -> [{M, file_of(M, App), Beam} || {M, App, Beam} <- Modules].

%% What a step does after the code was loaded, if that succeeded, and its answer.
%%
%% A note lasts as long as this VM, like the code that was pushed. The clock may be wrong, but the
%% monotonic time is not.
finish({note, Note}, Error, Given) ->
    Put = fun() ->
        try
            case Note of
                <<>> ->
                    application:unset_env(hotpush_note, last_push);
                _ ->
                    At = erlang:monotonic_time(second),
                    application:set_env(hotpush_note, last_push, {Note, At})
            end
        catch _:_ -> none
        end
    end,
    {note, case Error =:= none andalso within(Given, Put) of ok -> noted; _ -> none end};
finish({Kind, Modules}, _, _) ->
    Identity = ?IDENTITY,
    {Kind, [{N, Identity(module(N))} || {N, _, _} <- Modules]}.

%% The file's name on the device, so that code:module_status/1 and code:get_object_code/1 keep working.
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
            %% The host sends hotpush_on_load along with such modules.
            case erlang:module_loaded(hotpush_on_load) of
                true -> hotpush_on_load:prepare(Load, Errors);
                false -> not_loadable(Errors)
            end
    end.

not_loadable(Errors) -> throw({refused, {not_loadable, named(Errors)}}).

exports(M) ->
    try erlang:get_module_info(M, exports) catch error:badarg -> [] end.

%% First the modules with on_load one by one, then all others at once, then the removals. No process is
%% ended and no old code is purged for a module whose turn does not come.
commit([], Batch, Given) ->
    {Error, Failed, Then} = batch(Batch, Given),
    {Error, Failed, [], Then};
commit(OnLoad, Batch, Given) ->
    hotpush_on_load:commit(OnLoad, fun(Then) -> batch(Batch, Then) end, Given).

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

%% A module has one slot for an old version. Purging it ends the processes that still run that version,
%% and breaks its funs. Returns the modules whose slot is not free.
make_room(Modules, #{purge := Purge, killed := Killed, purged := Purged} = Given) ->
    Old = lists:filter(fun erlang:check_old_code/1, Modules),
    Look = fun() -> case Purge of kill -> holders(Old); soft -> [] end end,
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

holders(Modules) -> (?HOLDERS)(Modules).

purge(M, kill) -> code:purge(M);
purge(M, soft) -> code:soft_purge(M).

%% What may hang runs in a process that can be ended, since the agent itself holds the lock.
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

module(Name) ->
    binary_to_atom(Name, utf8).

%% The loader's reasons are atoms, and one of Hotpush's has a number. Any other reason becomes text.
named(Errors) ->
    [{name(M),
      case Reason of
          _ when is_atom(Reason) -> Reason;
          {on_load_timeout, _} -> Reason;
          _ -> unicode:characters_to_binary(io_lib:format("~0tP", [Reason, 10]))
      end}
     || {M, Reason} <- Errors].
