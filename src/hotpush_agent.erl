%% @doc The one module that travels: carries out a transaction on the device, and is taken out
%% again by whoever brought it. It calls kernel and stdlib only, so that it runs on a node
%% without Elixir.
-module(hotpush_agent).

-export([run/1, stage/1]).

-include("hotpush_look.hrl").

%% @doc Collects modules that come in pieces, then runs the transaction; forgets everything if the
%% host goes away before it said commit.
-spec stage({pid(), reference()}) -> term().
stage({Host, Ref}) ->
    Monitor = erlang:monitor(process, Host),
    Host ! {Ref, ready},
    Answer = collect(Host, Ref, Monitor, []),
    Host ! {Ref, Answer},
    Answer.

collect(Host, Ref, Monitor, Chunks) ->
    receive
        {Ref, chunk, Modules} ->
            Host ! {Ref, {staged, length(Modules)}},
            collect(Host, Ref, Monitor, [Modules | Chunks]);
        {Ref, commit, Work} ->
            %% From here on it is finished even if the host vanishes.
            run(Work#{load := lists:append(lists:reverse(Chunks))});
        {'DOWN', Monitor, process, _, _} ->
            host_gone
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
        Killed = make_room(Names, Purge),
        {Failed, Error} = commit(OnLoad, Rest),
        Error =:= none andalso [delete(M) || {M, _, _} <- Deletions],
        Spent = erlang:monotonic_time(microsecond) - Start,
        Identity = ?IDENTITY,
        {done, #{identities => [{name(M), Identity(M)} || M <- Names],
                 failed => named(Failed), error => Error, killed => Killed,
                 held => (?HOLDERS)(Names), microseconds => Spent}}
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
