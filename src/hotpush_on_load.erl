%% @doc Loads modules with on_load one by one, for hotpush_agent. Puts them back if one of them, or the
%% batch after them, fails. Travels only if there are such modules.
-module(hotpush_on_load).

-export([commit/3, in_order/2, prepare/2, refuse_nifs/1]).

-compile(no_line_info).

-import(hotpush_agent,
        [a_little_more/1, apart/1, left/1, make_room/2, name/1, not_loadable/1, within/2]).

%% @doc Takes the modules with on_load, which cannot be part of a batch, from those to load. The loader
%% has named them; whatever else it says of a module is a reason to refuse.
-spec prepare([{module(), string(), binary()}], [{module(), term()}]) -> {list(), term()}.
prepare(Load, Errors) ->
    case [E || {_, Reason} = E <- Errors, Reason =/= on_load_not_allowed] of
        [] -> ok;
        Bad -> not_loadable(Bad)
    end,
    {OnLoad, Rest} = lists:partition(fun({M, _, _}) -> lists:keymember(M, 1, Errors) end, Load),
    {ok, Prepared} = code:prepare_loading(Rest),
    {OnLoad, Prepared}.

%% @doc Refuses to replace native code that is loaded.
-spec refuse_nifs([{module(), string(), binary()}]) -> ok.
refuse_nifs(OnLoad) ->
    case [M || {M, _, _} <- OnLoad, erlang:module_loaded(M),
               erlang:get_module_info(M, nifs) =/= []] of
        [] -> ok;
        Modules -> throw({refused, {nif_loaded, [name(M) || M <- Modules]}})
    end.

%% @doc The modules, each with what puts it back. Those for which a process has to be ended come last.
-spec in_order([{module(), string(), binary()}], [tuple()]) -> [{tuple(), term()}].
in_order(OnLoad, Held) ->
    {Last, First} = lists:partition(fun({M, _, _}) -> lists:keymember(name(M), 3, Held) end, OnLoad),
    [{Module, earlier(M)} || {M, _, _} = Module <- First ++ Last].

%% @doc Loads them, then calls `Batch' to load the rest. Returns {Error, Failed, Stays, Given}.
-spec commit([{tuple(), term()}], fun((map()) -> tuple()), map()) -> tuple().
commit(OnLoad, Batch, Given) ->
    case on_load(OnLoad, [], Given) of
        {none, [], Done, Then} -> put_back(Done, Batch(Then));
        {Error, Failed, Done, Then} -> put_back(Done, {Error, Failed, Then})
    end.

on_load([], Done, Given) ->
    {none, [], Done, Given};
on_load([{{M, _, _} = Module, Earlier} | More], Done, Given) ->
    case start(Module, Given) of
        {ok, Then} -> on_load(More, [{Module, Earlier} | Done], Then);
        {Reason, Then} -> {on_load, [{M, Reason}], Done, Then}
    end.

%% An on_load function runs in a process of the code server. If it does not return, that process is
%% ended, and the loader then answers as if the function had failed. Ending only the caller would leave
%% it running.
start({M, File, Beam}, Given) ->
    case make_room([M], Given) of
        {[], #{ms := Ms} = Then} ->
            Before = started(Then),
            {Worker, Monitor} = apart(fun() -> code:load_binary(M, File, Beam) end),
            Answer = receive
                {'DOWN', Monitor, process, _, Reason} -> Reason
            after left(Then) ->
                [exit(P, kill) || P <- started(a_little_more(Then)) -- Before],
                receive
                    {'DOWN', Monitor, process, _, {answer, {module, M}} = Reason} -> Reason;
                    {'DOWN', Monitor, process, _, _} -> {answer, {error, {on_load_timeout, Ms}}}
                after 1000 ->
                    %% Native code that does not return ends only with the VM.
                    exit(Worker, kill),
                    {answer, {error, on_load_stuck}}
                end
            end,
            case Answer of
                {answer, {module, M}} -> {ok, Then};
                {answer, {error, Why}} -> {Why, Then};
                Crash -> exit(Crash)
            end;
        {_, Then} ->
            {not_purged, Then}
    end.

%% The processes in which the code server runs on_load functions. It monitors others as well.
started(Given) ->
    Server = whereis(code_server),
    Found = within(Given, fun() ->
        {monitors, Monitors} = process_info(Server, monitors),
        [P || {process, P} <- Monitors, process_info(P, parent) =:= {parent, Server}]
    end),
    case Found of late -> []; _ -> Found end.

%% The code that is loaded now, if a file on the device contains the same: the VM does not return it.
earlier(M) ->
    case erlang:module_loaded(M) of
        false ->
            not_loaded;
        true ->
            Md5 = erlang:get_module_info(M, md5),
            Files = [File || [_ | _] = File <- [code:where_is_file(atom_to_list(M) ++ ".beam"),
                                                code:which(M)]],
            case [{File, Beam} || File <- Files, {ok, Beam} <- [file:read_file(File)],
                                  {ok, {_, Same}} <- [beam_lib:md5(Beam)], Same =:= Md5] of
                [Found | _] -> Found;
                [] -> no_file
            end
    end.

%% After a failure, puts back the modules with on_load that were loaded before it, the last one first.
%% Returns those that cannot be put back.
put_back(_Done, {Error, Failed, Given}) when Error =:= none; Error =:= late ->
    {Error, Failed, [], Given};
put_back(Done, {Error, Failed, Given}) ->
    put_back(Done, {Error, Failed, a_little_more(Given#{purge := soft})}, []).

put_back([], {Error, Failed, Given}, Stays) ->
    {Error, Failed, Stays, Given};
put_back([{{M, _, _}, no_file} | Done], Result, Stays) ->
    put_back(Done, Result, [{M, no_file} | Stays]);
put_back([{{M, _, _}, not_loaded} | Done], {Error, Failed, Given}, Stays) ->
    within(Given, fun() -> code:delete(M) end),
    put_back(Done, {Error, [{M, put_back} | Failed], Given}, Stays);
put_back([{{M, _, _}, {File, Beam}} | Done], {Error, Failed, Given}, Stays) ->
    case start({M, File, Beam}, Given) of
        %% The funs of the purged version are also those of the loaded one, so they keep working.
        {ok, _} -> put_back(Done, {Error, [{M, put_back} | Failed], Given}, Stays);
        {Reason, Then} -> put_back(Done, {Error, Failed, Then}, [{M, Reason} | Stays])
    end.
