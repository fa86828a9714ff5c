%% @doc Finds who needs a module even if no process runs its code. A gen_server that waits for a message
%% is in gen_server's code, and its supervisor knows how to start it again. Travels if modules are to be
%% removed, or if a new version lost exports.
%%
%% It waits for other processes for at most a second in all, and does not read deep stacks or large
%% heaps. If a supervisor is busy or large, the initial calls of its children have to do.
-module(hotpush_lives).

-export([lives/1, orphaned/1]).

-compile(no_line_info).

-define(LARGE, 1000000).
-define(WAIT, 1000).

%% @doc Who needs these modules, so that they must not be removed. Changes nothing.
-spec lives([binary()]) -> [{binary(), binary(), binary(), binary()}].
lives(Names) ->
    [{Pid, Who, Module, Supervisor}
     || {Pid, Who, Module, Supervisor, _} <- living([module(N) || N <- Names])].

%% @doc Who will call a function that a module no longer has. Changes nothing.
-spec orphaned([{binary(), [{binary(), arity()}]}]) ->
    [{binary(), binary(), binary(), binary(), [binary()]}].
orphaned([]) ->
    [];
orphaned(Lost) ->
    [{Pid, Who, Module, Supervisor, [text("~tw/~w", [F, A]) || {F, A} <- Missing]}
     || {Pid, Who, Module, Supervisor, Calls} <- living([module(N) || {N, _} <- Lost]),
        {_, Fs} <- [lists:keyfind(Module, 1, Lost)],
        Missing <- [[FA || {F, A} <- Fs, FA <- [{module(F), A}], lists:member(FA, Calls)]],
        Missing =/= []].

%% Returns [{Pid, Who, Module, Supervisor, Calls}]. The first four are text; Pid and Supervisor are
%% empty if there is none. Calls is what will be called in the module: [{Function, Arity}].
living(Modules) ->
    Asked = maps:from_list([{M, true} || M <- Modules]),
    Processes = [{P, initial_call(P)} || P <- processes(), P =/= self()],
    Running = [{P, M, Calls} || {P, Initial} <- Processes,
                                {M, Calls} <- used(P, Initial), is_map_key(M, Asked)],
    {Children, Handlers} = ask([{P, F, Large} || {P, {F, _, _}} <- Processes,
                                                 F =:= supervisor orelse F =:= gen_event,
                                                 Large <- [large(P)], not Large]),
    Supervisors = maps:from_list([{P, S} || {S, _, P, _} <- Children, is_pid(P)]),
    Specified = [{P, Id, M, S, Calls} || {S, Id, P, Uses} <- Children,
                                         {M, Calls} <- Uses, is_map_key(M, Asked)],
    lists:sublist(
        [{pid_text(P), who(P), name(M), supervisor_of(P, Supervisors),
          Calls ++ lists:append([C || {P1, _, M1, _, C} <- Specified, P1 =:= P, M1 =:= M])}
         || {P, M, Calls} <- Running] ++
        [{pid_text(P), child(P, Id), name(M), who(S), Calls}
         || {P, Id, M, S, Calls} <- Specified,
            [] =:= [P || {P1, M1, _} <- Running, P1 =:= P, M1 =:= M]] ++
        [{pid_text(P), text("handler ~0tP of ~ts", [Id, 20, who(P)]), name(M), <<>>,
          [{handle_event, 2}, {handle_call, 2}]}
         || {P, M, Id} <- Handlers, is_map_key(M, Asked)] ++
        [{<<>>, text("logger handler ~0tP", [Id, 20]), name(M), <<>>, [{log, 2}]}
         || #{id := Id, module := M} <- logger:get_handler_config(), is_map_key(M, Asked)],
        1000).

%% The modules that a process was started with or is in, as far as the top of its stack shows.
used(P, {Module, Function, Arity}) ->
    Stack = case process_info(P, current_stacktrace) of
        {current_stacktrace, Frames} -> lists:usort([M || {M, _, _, _} <- Frames]);
        undefined -> []
    end,
    {Own, Calls} = case {Module, Function, Arity} of
        {supervisor, Callback, 1} -> {Callback, [{init, 1}]};
        {_, init, 1} -> {Module, callbacks(lists:member(gen_statem, Stack))};
        _ -> {Module, []}
    end,
    [{Own, Calls} | [{M, []} || M <- Stack, M =/= Own]].

callbacks(true) -> [{init, 1}, {callback_mode, 0}, {handle_event, 4}];
callbacks(false) -> [{init, 1}, {handle_call, 3}, {handle_cast, 2}, {handle_info, 2}].

initial_call(P) ->
    case process_info(P, initial_call) of
        {initial_call, {proc_lib, _, _} = Any} ->
            %% It is in the dictionary, which OTP before 27 copies as a whole.
            case large(P) of true -> Any; false -> proc_lib:translate_initial_call(P) end;
        {initial_call, Call} ->
            Call;
        undefined ->
            {undefined, undefined, 0}
    end.

large(P) ->
    case process_info(P, total_heap_size) of
        {total_heap_size, Words} -> Words > ?LARGE;
        undefined -> true
    end.

%% The public functions for this wait forever, so each is called in a process of its own.
ask(Servers) ->
    Until = erlang:monotonic_time(millisecond) + ?WAIT,
    Asked = [spawn_monitor(fun() -> exit({told, tell(Kind, P)}) end) || {P, Kind, _} <- Servers],
    Told = lists:append([told(Helper, Until) || Helper <- Asked]),
    lists:partition(fun(T) -> tuple_size(T) =:= 4 end, Told).

told({Helper, Monitor}, Until) ->
    receive
        {'DOWN', Monitor, process, Helper, {told, Told}} -> Told;
        {'DOWN', Monitor, process, Helper, _} -> []
    after max(0, Until - erlang:monotonic_time(millisecond)) ->
        erlang:demonitor(Monitor, [flush]),
        exit(Helper, kill),
        []
    end.

tell(gen_event, P) ->
    [case Handler of {M, _} -> {P, M, Handler}; M -> {P, M, M} end
     || Handler <- gen_event:which_handlers(P)];
tell(supervisor, P) ->
    [{P, Id, Child, uses(P, Id, [M || is_list(Modules), M <- Modules])}
     || {Id, Child, _, Modules} <- supervisor:which_children(P)].

%% Children of dynamic supervisors have no names, and Elixir's crashes if it is asked for a specification.
uses(_, undefined, Modules) ->
    [{M, [{start_link, N} || N <- [0, 1, 2, 3]]} || M <- Modules];
uses(P, Id, Modules) ->
    case supervisor:get_childspec(P, Id) of
        {ok, #{start := {M, F, A}}} when is_list(A) ->
            [{M, [{F, length(A)}]} | [{Other, []} || Other <- Modules, Other =/= M]];
        _ ->
            [{M, []} || M <- Modules]
    end.

child(P, _) when is_pid(P) -> who(P);
child(_, Id) -> text("child ~0tP", [Id, 20]).

supervisor_of(P, Supervisors) ->
    case Supervisors of
        #{P := Supervisor} -> who(Supervisor);
        _ -> <<>>
    end.

who(P) ->
    case process_info(P, registered_name) of
        {registered_name, Name} ->
            text("~tw", [Name]);
        _ ->
            {M, F, A} = initial_call(P),
            text("~tw:~tw/~w", [M, F, A])
    end.

pid_text(P) when is_pid(P) -> list_to_binary(pid_to_list(P));
pid_text(_) -> <<>>.

text(Format, Terms) ->
    unicode:characters_to_binary(io_lib:format(Format, Terms)).

name(M) ->
    atom_to_binary(M, utf8).

module(Name) ->
    binary_to_atom(Name, utf8).
