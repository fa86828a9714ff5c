%% @doc Removes modules, for hotpush_agent. Travels only if there are such modules.
-module(hotpush_remove).

-export([step/3]).

-compile(no_line_info).

-import(hotpush_agent, [module/1, name/1, to_load/1]).

%% @doc Adds to what is loaded and deleted in one transaction. Throws {refused, Why} if a process needs
%% a module that is to go. The stub of a module is empty if the firmware's module of that name comes
%% back.
-spec step([{binary(), atom(), binary()}], {list(), [module()]}, boolean()) -> {list(), [module()]}.
step(Modules, {Load, Delete}, Force) ->
    Remove = [{module(N), App, Stub} || {N, App, Stub} <- Modules],
    Own = [{M, File, Beam} || {M, _, <<>>} <- Remove,
                              [_ | _] = Path <- [on_path(M)],
                              {ok, Beam, File} <- [erl_prim_loader:get_file(Path)]],
    Gone = [Module || {M, _, _} = Module <- Remove, not lists:keymember(M, 1, Own)],
    Force orelse Gone =:= [] orelse refuse_lived_by([name(M) || {M, _, _} <- Gone]),
    {Stubs, Deletions} = lists:partition(fun comes_back/1, Gone),
    {Own ++ Load ++ to_load(Stubs), Delete ++ [M || {M, _, _} <- Deletions]}.

%% In interactive mode, the next call would load a deleted module again if its file is on the code path.
%% An empty module in its place prevents this.
comes_back({M, _, _}) ->
    code:get_mode() =:= interactive andalso on_path(M) =/= non_existing.

on_path(M) -> code:where_is_file(atom_to_list(M) ++ ".beam").

%% A process that needs a removed module would crash at its next message.
refuse_lived_by(Names) ->
    case hotpush_lives:lives(Names) of
        [] -> ok;
        Living -> throw({refused, {lived_by, Living}})
    end.
