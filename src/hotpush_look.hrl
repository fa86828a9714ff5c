%% Expressions that both the question (evaluated by erl_eval on a device that holds no code of
%% ours) and the agent (compiled) need. Macros, since neither can call the other.

%% Which processes run *old* code of these modules: [{Pid, Who, Module}], all as text.
%%
%% One look at each stack finds the candidates (a stack names its modules), and only those are
%% put to check_process_code/2: asking it about every process and module takes seconds.
-define(HOLDERS,
    fun(Asked__) ->
        case [{iolist_to_binary(io_lib:format("(~tw:", [M])), M}
              || M <- Asked__, erlang:check_old_code(M)] of
            [] ->
                [];
            Old__ ->
                Pattern__ = binary:compile_pattern([T || {T, _} <- Old__]),
                Tags__ = maps:from_list(Old__),
                [{list_to_binary(pid_to_list(P)),
                  unicode:characters_to_binary(
                      case process_info(P, registered_name) of
                          {registered_name, Name__} ->
                              io_lib:format("~tw", [Name__]);
                          _ ->
                              {F1__, F2__, F3__} = proc_lib:translate_initial_call(P),
                              io_lib:format("~tw:~tw/~w", [F1__, F2__, F3__])
                      end),
                  atom_to_binary(M, utf8)}
                 || P <- processes(), P =/= self(),
                    {backtrace, Trace__} <- [process_info(P, backtrace)],
                    M <- lists:usort([maps:get(binary:part(Trace__, At__), Tags__)
                                      || At__ <- binary:matches(Trace__, Pattern__)]),
                    erlang:check_process_code(P, M) =:= true]
        end
    end).

%% What runs under a module's name: not_loaded, or {MD5, Stamp} where Stamp is none, or the digest
%% or `removed', as an earlier push left it in the CInf chunk.
-define(IDENTITY,
    fun(Module__) ->
        try erlang:get_module_info(Module__, md5) of
            Md5__ ->
                {Md5__,
                 case lists:keyfind(hotpush, 1, erlang:get_module_info(Module__, compile)) of
                     {hotpush, {_, Stamp__}} -> Stamp__;
                     _ -> none
                 end}
        catch
            error:badarg -> not_loaded
        end
    end).
