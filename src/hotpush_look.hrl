%% Expressions that both the question (evaluated by erl_eval on a device without Hotpush's code) and
%% the agent need. They are macros, since neither can call the other.

%% Which processes run *old* code of these modules: [{Pid, Who, Module}], all as text.
%%
%% The top of each stack shows the candidates: it names its modules, and costs the same however deep
%% the stack is. check_process_code/2 is called for every module only if the top may not show all of
%% them; to call it for every process and module takes seconds. A backtrace would print the whole
%% stack, which for a deep one means gigabytes.
-define(HOLDERS,
    fun(Asked__) ->
        case lists:filter(fun erlang:check_old_code/1, Asked__) of
            [] ->
                [];
            Old__ ->
                Modules__ = maps:from_list([{M, true} || M <- Old__]),
                %% As many frames as are shown at most: 8, unless the device is configured otherwise.
                {_, Mine__} = process_info(self(), current_stacktrace),
                Most__ = min(8, length(Mine__)),
                [{list_to_binary(pid_to_list(P)),
                  unicode:characters_to_binary(
                      case process_info(P, registered_name) of
                          {registered_name, Name__} ->
                              io_lib:format("~tw", [Name__]);
                          _ ->
                              %% It is in the dictionary, which OTP before 27 copies as a whole.
                              {F1__, F2__, F3__} = case
                                  [process_info(P, K__) || K__ <- [initial_call, total_heap_size,
                                                                   current_function]]
                              of
                                  [{_, {proc_lib, _, _}}, {_, Words__}, _] when Words__ < 1000000 ->
                                      proc_lib:translate_initial_call(P);
                                  [{_, {erlang, apply, 2}}, _, {_, {_, _, _} = Current__}] ->
                                      Current__;
                                  [{_, Initial__}, _, _] ->
                                      Initial__;
                                  _ ->
                                      {ended, unknown, 0}
                              end,
                              io_lib:format("~tw:~tw/~w", [F1__, F2__, F3__])
                      end),
                  atom_to_binary(M, utf8)}
                 || P <- processes(), P =/= self(),
                    {_, Trace__} <- [process_info(P, current_stacktrace)],
                    M <- case length(Trace__) of
                             Shown__ when Shown__ < Most__ ->
                                 maps:keys(maps:with(
                                     lists:zipwith(fun erlang:element/2,
                                                   lists:duplicate(Shown__, 1), Trace__),
                                     Modules__));
                             _ ->
                                 Old__
                         end,
                    erlang:check_process_code(P, M) =:= true]
        end
    end).

%% What runs of these applications, and what pushes brought, as one digest, where All is loaded.
%% Compiled functions go over all modules: erl_eval itself needs ten times as long.
-define(FINGERPRINT,
    fun(All__, Apps__) ->
        Info__ = fun(Ms__, Key__) ->
            lists:zipwith(fun erlang:get_module_info/2, Ms__, lists:duplicate(length(Ms__), Key__))
        end,
        Same__ = fun(Term__) -> lists:duplicate(length(All__), Term__) end,
        Stamps__ = lists:zipwith3(
            fun lists:keyfind/3, Same__(hotpush), Same__(1), Info__(All__, compile)),
        Listed__ = lists:filter(fun erlang:module_loaded/1, lists:append(
            [Ms__ || App__ <- Apps__, {ok, Ms__} <- [application:get_key(App__, modules)]])),
        erlang:md5(term_to_binary(
            {lists:sort(lists:filter(fun erlang:is_tuple/1, Stamps__)),
             Listed__, Info__(Listed__, md5)}))
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
