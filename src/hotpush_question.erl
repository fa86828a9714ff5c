%% @doc What a device is asked. This module is never sent: the bodies of its functions travel as text, which the
%% device's own erl_eval evaluates, so a device can answer even if it could load none of Hotpush's
%% code. Hence one clause per function, no local calls, and only calls of kernel and stdlib.
-module(hotpush_question).

-export([ask/6, transact/3, settle/2]).

-include("hotpush_look.hrl").

%% @doc Facts about the device, identities of modules, and the processes that run old code.
%%
%% Apps: the applications in question. Own: those of them whose files' line tables are compared.
%% Extra: modules outside of them (Elixir's consolidated protocols). Known: the files that the host
%% remembers, `[{App, Fingerprint}]'. Seen: the prints of the parts of earlier answers that the host
%% remembers, joined. Cut: how many bytes of each digest and of each print to answer.
%%
%% The answer is one compressed binary: names repeat, and the link may be slow. A part that the host
%% remembers is answered as its place in Seen.
-spec ask([atom()], [atom()], [module()], [{atom(), binary()}], binary(), pos_integer()) -> binary().
ask(Apps, Own, Extra, Known, Seen, Cut) ->
    Holders = ?HOLDERS,
    Mode = code:get_mode(),
    Name = fun(Atom) -> atom_to_binary(Atom, utf8) end,
    Text = fun(Chars) -> unicode:characters_to_binary(Chars) end,
    %% Compiled functions iterate over all modules: `zipwith(fun erlang:F/2, List, Same(List, X))' is
    %% F(E, X) for each E. erl_eval itself needs ten times as long.
    Same = fun(List, Term) -> lists:duplicate(length(List), Term) end,
    Info = fun(Ms, Key) -> lists:zipwith(fun erlang:get_module_info/2, Ms, Same(Ms, Key)) end,
    Try = fun(M, F, A) ->
        case erlang:function_exported(M, F, length(A)) of
            true -> try apply(M, F, A) catch _:_ -> none end;
            false -> none
        end
    end,
    %% Files of two builds may have the same size and time, but not the same of this.
    Firmware = Try('Elixir.Nerves.Runtime.KV', get_active, [<<"nerves_fw_uuid">>]),
    %% The firmware writes it, so no pushed code can change it.
    Platform = Try('Elixir.Nerves.Runtime.KV', get_active, [<<"nerves_fw_platform">>]),
    %% Another push's agent may be gone a moment later.
    Loaded = maps:without(
        [hotpush_agent, hotpush_lives, hotpush_on_load, hotpush_remove, hotpush_stage],
        maps:from_list(code:all_loaded())),
    Running = maps:from_list([{A, V} || {A, _, V} <- application:which_applications()]),
    %% An application may be loaded, or only be on the code path.
    Described = [
        begin
            Ebin = case code:lib_dir(App) of
                {error, _} -> none;
                Dir -> filename:join(Dir, "ebin")
            end,
            Keys = case {application:get_all_key(App), Ebin} of
                {{ok, Ks}, _} -> Ks;
                {undefined, none} -> [];
                {undefined, _} ->
                    case file:consult(filename:join(Ebin, atom_to_list(App) ++ ".app")) of
                        {ok, [{application, App, Ks}]} -> Ks;
                        _ -> []
                    end
            end,
            {App, Ebin, proplists:get_value(vsn, Keys, ""), proplists:get_value(modules, Keys, [])}
        end
        || App <- Apps],
    Listing = Described ++ [{'', none, "", [M || M <- Extra, code:which(M) =/= non_existing]}],
    Listed = lists:append([Ms || {_, _, _, Ms} <- Listing]),
    Consolidated = lists:append([
        case file:list_dir(Dir) of
            {ok, Names} -> [{F, filename:join(Dir, F)} || F <- Names];
            _ -> []
        end
        || Dir <- code:get_path(), filename:basename(Dir) =:= "consolidated"]),
    FileOf = fun(Ebin, M) ->
        Base = atom_to_list(M) ++ ".beam",
        case lists:keyfind(Base, 1, Consolidated) of
            {_, File} -> File;
            false when Ebin =:= none ->
                case code:which(M) of [_ | _] = File -> File; _ -> "" end;
            false -> filename:join(Ebin, Base)
        end
    end,
    Stat = fun(Ebin, Ms) ->
        Paths = [
            case Place of [_ | _] -> Place; _ -> FileOf(Ebin, M) end
            || {M, Place} <- lists:zip(Ms, lists:zipwith3(
                   fun maps:get/3, Ms, Same(Ms, Loaded), Same(Ms, none)))],
        Infos = lists:zipwith(
            fun file:read_file_info/2, Paths, Same(Paths, [raw, {time, posix}])),
        %% Size and mtime.
        [{M, Path, element(2, I), element(6, I)} || {M, Path, {ok, I}} <- lists:zip3(Ms, Paths, Infos)]
    end,
    Read = fun(App, File) ->
        {ok, Bin} = file:read_file(File),
        Md5 = case Mode =:= interactive andalso beam_lib:md5(Bin) of
            {ok, {_, D}} -> D;
            _ -> <<>>
        end,
        Line = case lists:member(App, Own) andalso
                   beam_lib:chunks(Bin, ["Line"], [allow_missing_chunks]) of
            {ok, {_, [{_, L}]}} when is_binary(L) -> erlang:md5(L);
            _ -> <<>>
        end,
        {binary:part(Md5, 0, min(Cut, byte_size(Md5))),
         binary:part(Line, 0, min(Cut, byte_size(Line)))}
    end,
    Files = [
        begin
            Stats = Stat(Ebin, Ms),
            Fingerprint = erlang:md5(
                term_to_binary({Mode, Firmware, lists:member(App, Own), Stats})),
            {Name(App), Fingerprint,
             case lists:member({App, Fingerprint}, Known) of
                 true ->
                     known;
                 false ->
                     [{Name(M), Md5, Line}
                      || {M, File, _, _} <- Stats,
                         {Md5, Line} <- [try Read(App, File) catch _:_ -> {<<>>, <<>>} end]]
             end}
        end
        || {App, Ebin, _, Ms} <- Listing, Ms =/= [],
           lists:member(App, Own) orelse
               (Mode =:= interactive andalso not lists:all(fun erlang:module_loaded/1, Ms))],
    Joined = fun(Ms) ->
        iolist_to_binary(lists:join(0, lists:map(fun erlang:atom_to_binary/1, Ms)))
    end,
    %% {Names, their digests in one binary, those that were pushed, those that are not loaded}
    Show = fun(Ms) ->
        {Here, Absent} = lists:partition(fun erlang:module_loaded/1, Ms),
        Md5s = Info(Here, md5),
        Stamps = lists:zipwith3(
            fun lists:keyfind/3, Same(Here, hotpush), Same(Here, 1), Info(Here, compile)),
        {Plain, Digests} = case lists:usort(Stamps) of
            [false] -> {Here, Md5s};
            _ -> lists:unzip([{M, D} || {M, D, false} <- lists:zip3(Here, Md5s, Stamps)])
        end,
        {Joined(Plain),
         iolist_to_binary(lists:zipwith3(
             fun erlang:binary_part/3, Digests, Same(Digests, 0), Same(Digests, Cut))),
         [{Name(M), binary_part(D, 0, Cut), Name(A),
           case S of removed -> removed; _ -> binary_part(S, 0, Cut) end}
          || {M, D, {hotpush, {A, S}}} <- lists:zip3(Here, Md5s, Stamps)],
         Joined(Absent)}
    end,
    %% Modules that came with an earlier push are in no .app file, but have a stamp.
    Others = maps:keys(maps:without(Listed, Loaded)),
    {Pushed, From} = lists:unzip(
        [{M, App} || {M, Compile} <- lists:zip(Others, Info(Others, compile)),
                     {hotpush, {App, _}} <- Compile]),
    %% Other applications: those that run, or are in the firmware.
    Brought = [App || App <- From, is_list(code:lib_dir(App))],
    Further = lists:usort(
        maps:keys(Running) ++ [App || {App, _, _} <- application:loaded_applications()] ++ Brought),
    Ours = Pushed ++ lists:filter(fun erlang:module_loaded/1, Listed),
    %% A protocol may dispatch to an implementation that never got into the firmware.
    Kept = fun(Protocol, Type) ->
        Last = case atom_to_list(Type) of "Elixir." ++ Rest -> Rest; Rest -> Rest end,
        Mode =:= interactive orelse
            try list_to_existing_atom(atom_to_list(Protocol) ++ "." ++ Last) of
                Impl -> erlang:module_loaded(Impl)
            catch
                error:badarg -> false
            end
    end,
    Prints = [binary_part(Seen, At, Cut) || At <- lists:seq(0, byte_size(Seen) - 1, Cut)],
    Places = maps:from_list(lists:zip(Prints, lists:seq(1, length(Prints)))),
    Part = fun(Term) ->
        Print = binary_part(erlang:md5(term_to_binary(Term)), 0, Cut),
        case Places of #{Print := Place} -> Place; _ -> {Print, Term} end
    end,
    %% Grouped by name only, 16 to 31 modules each: a module that changes affects only its group.
    Groups = fun(Ms) ->
        case length(Ms) div 16 of
            Few when Few < 2 ->
                [Ms];
            Many ->
                Count = 1 bsl (length(integer_to_list(Many, 2)) - 1),
                Pairs = lists:zip(lists:zipwith(fun erlang:phash2/2, Ms, Same(Ms, Count)), Ms),
                [Group || {_, Group} <- sofs:to_external(
                                            sofs:relation_to_family(sofs:relation(Pairs)))]
        end
    end,
    Protocols = lists:zip(Ours, lists:zipwith3(
        fun erlang:function_exported/3, Ours, Same(Ours, '__protocol__'), Same(Ours, 1))),
    Facts = #{
        otp => list_to_binary(erlang:system_info(otp_release)),
        erts => list_to_binary(erlang:system_info(version)),
        elixir => case application:get_key(elixir, vsn) of {ok, V} -> Text(V); _ -> none end,
        arch => list_to_binary(erlang:system_info(system_architecture)),
        mode => Mode,
        target => case Try('Elixir.Nerves.Runtime', mix_target, []) of
            none -> none;
            T -> Text(io_lib:format("~ts", [T]))
        end,
        firmware => Firmware,
        platform => case Platform of <<_, _/binary>> -> Platform; _ -> none end,
        others => lists:map(Name, Further -- Apps),
        nifs => [Name(M) || {M, [_ | _]} <- lists:zip(Ours, Info(Ours, nifs))]},
    Impls = [{Name(M), [Name(I) || I <- Is, Kept(M, I)]}
             || {M, true} <- Protocols,
                {consolidated, Is} <- [Try(M, '__protocol__', [impls])]],
    term_to_binary(
        #{boot => {list_to_binary(os:getpid()),
                   erlang:system_info(start_time) + erlang:time_offset()},
          cut => Cut,
          parts => lists:map(Part,
              [{facts, Facts}, {impls, Impls}] ++
              [{app, {Name(App), Text(Vsn), maps:is_key(App, Running),
                      Ebin =/= none orelse Ms =/= [], Show(Group)}}
               || {App, Ebin, Vsn, Ms} <- Listing, Group <- Groups(Ms)] ++
              [{pushed, Show(Group)} || Group <- Groups(Pushed)]),
          files => Files,
          fingerprint => (?FINGERPRINT)(maps:keys(Loaded), lists:delete(hotpush, Apps)),
          old => Holders(lists:filter(fun erlang:check_old_code/1, Ours)),
          last_push => case application:get_env(hotpush_note, last_push) of
              {ok, {Note, At}} when is_binary(Note), byte_size(Note) =< 1000, is_integer(At) ->
                  {Note, erlang:monotonic_time(second) - At};
              _ ->
                  none
          end},
        [{compressed, 9}]).

%% @doc Loads modules of the agent, calls Run, and removes the modules, whatever happened. Run is a part of
%% the program: see Hotpush.Protocol.Question. The modules and Run's argument come as one external term,
%% since they are smaller if they are compressed together.
%%
%% The registered name is the lock: two pushes to one device would remove each other's agent. Who holds
%% it, and since when, is in the holder's dictionary. The group leader is the device's own, since code
%% that starts here outlives the visit.
-spec transact(binary(), fun((term()) -> term()), binary()) -> term().
transact(Packed, Run, Who) ->
    Me = self(),
    {Agents, Given} = binary_to_term(Packed),
    %% A host without a pid here names one by its text.
    Argument = case Given of
        {[_ | _] = Pid, Tag} -> {list_to_pid(Pid), Tag};
        _ -> Given
    end,
    Leader = case whereis(user) of undefined -> whereis(init); User -> User end,
    group_leader(Leader, Me),
    put(hotpush_who, {Who, erlang:monotonic_time(second)}),
    case try register(hotpush_transaction, Me) catch error:badarg -> false end of
        true ->
            try
                [{module, _} = code:load_binary(M, atom_to_list(M) ++ ".beam", B)
                 || {M, B} <- Agents],
                Run(Argument)
            after
                [code:delete(M) || {M, _} <- Agents],
                [code:purge(M) || {M, _} <- Agents],
                unregister(hotpush_transaction)
            end;
        _ ->
            Holder = whereis(hotpush_transaction),
            Known = case is_pid(Holder) andalso process_info(Holder, dictionary) of
                {dictionary, Words} -> lists:keyfind(hotpush_who, 1, Words);
                _ -> false
            end,
            Busy = case Known of
                {_, {Name, Since}} -> {busy, Name, erlang:monotonic_time(second) - Since};
                _ -> {busy, <<>>, 0}
            end,
            %% A host that has chunks to send waits for a message.
            case Argument of
                {Host, Ref} -> Host ! {Ref, Busy};
                _ -> Busy
            end
    end.

%% @doc After an answer was lost: waits until the link of the broken visit over ssh has ended (Link is
%% its address as text, or none), so that nothing of that visit can begin any more, and then until no
%% transaction runs. Each wait takes at most Ms. Returns over or busy.
-spec settle(string() | none, non_neg_integer()) -> over | busy.
settle(Link, Ms) ->
    Wait = fun(Process) ->
        Monitor = monitor(process, Process),
        receive
            {'DOWN', Monitor, process, _, _} -> over
        after Ms ->
            demonitor(Monitor, [flush]),
            busy
        end
    end,
    Pid = case Link of none -> none; _ -> list_to_pid(Link) end,
    %% After a reboot, this may be the address of another process.
    Ours = case is_pid(Pid) andalso process_info(Pid, dictionary) of
        {dictionary, Words} -> lists:member({hotpush_link, true}, Words);
        _ -> false
    end,
    case Ours of
        true -> Pid ! {line, eof}, Wait(Pid);
        false -> over
    end,
    %% The process that it started last may not have registered yet.
    receive after 50 -> ok end,
    Wait(hotpush_transaction).
