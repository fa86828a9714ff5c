%% @doc The one module that travels: carries out a transaction on the device, and is taken out
%% again by whoever brought it. It calls kernel and stdlib only, so that it runs on a node
%% without Elixir.
-module(hotpush_agent).

-export([run/1, stage/1, lives/1]).

-include("hotpush_look.hrl").
-include("hotpush_lives.hrl").

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
%% `force' loads over a loaded NIF library. Names are text, here and in the answer: the host makes
%% no atoms of what it is answered.
%%
%% Answers {refused, Reason}, where nothing changed, or {done, Result}.
-spec run(map()) -> {refused, term()} | {done, map()}.
run(#{load := ToLoad, remove := ToRemove, purge := Purge, force := Force}) ->
    Start = erlang:monotonic_time(microsecond),
    [Load0, Remove] = [[{binary_to_atom(N, utf8), App, Beam} || {N, App, Beam} <- Work]
                       || Work <- [ToLoad, ToRemove]],
    {Stubs, Deletions} = lists:partition(fun comes_back/1, Remove),
    Load = [{M, file_of(M, App), Beam} || {M, App, Beam} <- Load0 ++ Stubs],
    Names = [M || {M, _, _} <- Load0 ++ Remove],
    try
        {OnLoad, Rest} = prepare(Load),
        Force orelse refuse_nifs(OnLoad),
        Force orelse refuse_lived_by([M || {M, _, _} <- Remove]),
        Exports = [{M, exports(M)} || M <- Names],
        Killed = make_room(Names, Purge),
        {Failed, Error} = commit(OnLoad, Rest),
        Error =:= none andalso [delete(M) || {M, _, _} <- Deletions],
        Spent = erlang:monotonic_time(microsecond) - Start,
        Identity = ?IDENTITY,
        {done, #{identities => [{name(M), Identity(M)} || M <- Names],
                 failed => named(Failed), error => Error, killed => Killed,
                 held => (?HOLDERS)(Names), orphaned => orphaned(Exports), microseconds => Spent}}
    catch
        throw:{refused, _} = Refused -> Refused
    end.

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

%% A slot holds one old version. Purging kills who still runs it, so look first.
make_room(Names, Purge) ->
    Old = [M || M <- Names, erlang:check_old_code(M)],
    Held = (?HOLDERS)(Old),
    case {Held, Purge} of
        {[_ | _], soft} -> throw({refused, {held, Held}});
        {_, kill} -> [code:purge(M) || M <- Old];
        {[], soft} ->
            case [M || M <- Old, not code:soft_purge(M)] of
                [] -> ok;
                Left -> throw({refused, {held, (?HOLDERS)(Left)}})
            end
    end,
    Held.

commit([{M, File, Beam} | OnLoad], Rest) ->
    case code:load_binary(M, File, Beam) of
        {module, M} -> commit(OnLoad, Rest);
        {error, Reason} -> {[{M, Reason}], on_load}
    end;
commit([], Rest) ->
    case code:finish_loading(Rest) of
        ok -> {[], none};
        {error, Errors} -> {Errors, batch}
    end.

delete(M) ->
    code:delete(M).

name(M) ->
    atom_to_binary(M, utf8).

%% The loader's reasons are atoms; whatever else one may be is told as text.
named(Errors) ->
    [{name(M),
      case is_atom(Reason) of
          true -> Reason;
          false -> unicode:characters_to_binary(io_lib:format("~0tP", [Reason, 10]))
      end}
     || {M, Reason} <- Errors].
